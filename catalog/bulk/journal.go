package bulk

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
)

// Journal is a file that keeps how far a load came, so that another one goes on from there. It is behind the catalog by
// no more than a second's work, which is put a second time then and changes nothing. A nil Journal keeps nothing.
type Journal struct {
	path  string
	state journalState
	saved time.Time
}

type journalState struct {
	Sources []journalSource `json:"sources"`
}

type journalSource struct {
	Identity string   `json:"identity"`
	At       Position `json:"at"`
	Through  bool     `json:"through"`
}

// OpenJournal reads a journal, or begins one.
func OpenJournal(path string) (*Journal, error) {
	j := &Journal{path: path}
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return j, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &j.state)
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "journal %s: %w", path, err).WithCure("remove it to begin from the start, which puts nothing twice")
	}
	return j, nil
}

// position is where a source is to be read on from, and whether it is through.
func (j *Journal) position(index int, s Source) (Position, bool) {
	if j == nil || index >= len(j.state.Sources) || j.state.Sources[index].Identity != s.Identity() {
		return Position{}, false
	}
	known := j.state.Sources[index]
	return known.At, known.Through
}

// save keeps how far a source was put.
func (j *Journal) save(index int, s Source, at Position, through bool) error {
	if j == nil {
		return nil
	}
	for len(j.state.Sources) <= index {
		j.state.Sources = append(j.state.Sources, journalSource{})
	}
	j.state.Sources[index] = journalSource{s.Identity(), at, through}
	if !through && time.Since(j.saved) < time.Second {
		return nil
	}
	j.saved = time.Now()
	raw, err := json.MarshalIndent(journalState{slices.Clone(j.state.Sources)}, "", "  ")
	if err != nil {
		return fault.New(fault.Internal, "write the journal: %w", err)
	}
	return replaceFile(j.path, append(raw, '\n'))
}

// replaceFile puts a file in place of another, whole or not at all.
func replaceFile(path string, content []byte) error {
	failed := func(err error) error {
		return fault.New(fault.Unavailable, "write %s: %w", path, err).WithCure("make room, or name a file in a folder that can be written to")
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return failed(err)
	}
	defer os.Remove(f.Name()) // of what did not get its name
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return failed(err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return failed(err)
	}
	return nil
}
