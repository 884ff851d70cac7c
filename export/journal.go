package export

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/fault"
)

// JournalName is the file in an export's folder that says what it is of, and which files are whole: a
// line of JSON for the export, then one for each file. A last line without its end does not count.
const JournalName = ".terrapin-export.jsonl"

// heading is the first line of a journal: two exports are the same if theirs are equal.
type heading struct {
	Cube     string         `json:"cube"`
	Snapshot string         `json:"snapshot"`
	Format   Format         `json:"format"`
	Group    string         `json:"group"`
	Window   cube.Window    `json:"window"`
	Bands    []string       `json:"bands"`
	Slices   []cube.SliceID `json:"slices"`
	Shard    int            `json:"shard,omitempty"`
	Flags    bool           `json:"flags,omitempty"`
}

func (p *part) heading(req Request) heading {
	h := heading{
		Cube: p.view.Spec().Name, Snapshot: p.view.Snapshot(), Format: req.Format, Group: p.group.Name,
		Window: p.window, Bands: p.bandNames(), Shard: req.Shard, Flags: p.flags != nil,
	}
	for _, s := range p.slices {
		h.Slices = append(h.Slices, s.ID)
	}
	return h
}

// entry is a line about one file: its path below the folder, its size and its digest.
type entry struct {
	Path   string `json:"path"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// journal is appended to as files become whole. One goroutine uses it.
type journal struct {
	dir   string
	begun *heading // nil where nothing was begun
	known map[string]entry
	file  *os.File
}

// openJournal looks at the folder of an export and refuses one that holds something else.
func openJournal(req Request) (*journal, error) {
	j := &journal{dir: req.Out, known: map[string]entry{}}
	text, err := os.ReadFile(j.path())
	switch {
	case err == nil && !req.Resume:
		return nil, fault.New(fault.Conflict, "%s holds an export already", req.Out).WithCure("go on with it by --resume, or name another folder")
	case err == nil:
		return j, j.parse(text)
	case !os.IsNotExist(err):
		return nil, fault.New(fault.Invalid, "%s cannot be written to: %w", req.Out, err).WithCure("name a folder for the files")
	}
	others, err := os.ReadDir(req.Out)
	switch {
	case err == nil && len(others) > 0:
		return nil, fault.New(fault.Conflict, "%s holds something else than an export, such as %s", req.Out, others[0].Name()).WithCure("name a folder that is empty or not there yet")
	case err != nil && !os.IsNotExist(err):
		return nil, fault.New(fault.Invalid, "%s cannot be written to: %w", req.Out, err).WithCure("name a folder for the files")
	}
	return j, nil
}

func (j *journal) path() string { return filepath.Join(j.dir, JournalName) }

func (j *journal) parse(text []byte) error {
	// What follows the last end of a line was cut off while it was written.
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, len(text)+1)
	for lines.Scan() {
		if j.begun == nil {
			j.begun = &heading{}
			if err := json.Unmarshal(lines.Bytes(), j.begun); err != nil {
				return j.damaged(err)
			}
			continue
		}
		var e entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return j.damaged(err)
		}
		j.known[e.Path] = e
	}
	return nil
}

func (j *journal) damaged(err error) error {
	return fault.New(fault.Corrupt, "%s: %w", j.path(), err).WithCure("export into another folder")
}

// begin writes the heading, or holds a resumed export to the one there is.
func (j *journal) begin(h heading) error {
	if j.begun != nil && !reflect.DeepEqual(*j.begun, h) {
		return fault.New(fault.Conflict, "%s holds an export of cube %q at snapshot %s, or of another part, format or selection", j.dir, j.begun.Cube, j.begun.Snapshot).
			WithCure("resume it with the options it was begun with, or name another folder")
	}
	if err := os.MkdirAll(j.dir, 0o777); err != nil {
		return unwritable(j.dir, err)
	}
	if j.begun == nil {
		line, err := json.Marshal(h)
		if err != nil {
			return fault.New(fault.Internal, "write the journal: %w", err)
		}
		if err := os.WriteFile(j.path()+".half", append(line, '\n'), 0o666); err != nil {
			return unwritable(j.path(), err)
		}
		if err := os.Rename(j.path()+".half", j.path()); err != nil {
			return unwritable(j.path(), err)
		}
	}
	file, err := os.OpenFile(j.path(), os.O_RDWR, 0)
	if err != nil {
		return unwritable(j.path(), err)
	}
	j.file = file
	return j.trim()
}

// trim cuts off a line that was not finished and goes to the end.
func (j *journal) trim() error {
	text, err := io.ReadAll(j.file)
	if err != nil {
		return unwritable(j.path(), err)
	}
	end := int64(bytes.LastIndexByte(text, '\n') + 1)
	if err := j.file.Truncate(end); err != nil {
		return unwritable(j.path(), err)
	}
	if _, err := j.file.Seek(end, io.SeekStart); err != nil {
		return unwritable(j.path(), err)
	}
	return nil
}

// add records files that are whole.
func (j *journal) add(entries ...entry) error {
	var lines []byte
	for _, e := range entries {
		line, err := json.Marshal(e)
		if err != nil {
			return fault.New(fault.Internal, "write the journal: %w", err)
		}
		lines = append(append(lines, line...), '\n')
		j.known[e.Path] = e
	}
	if _, err := j.file.Write(lines); err != nil {
		return unwritable(j.path(), err)
	}
	return nil
}

// whole reports whether a file is recorded and is what was recorded, reading it to the end.
func (j *journal) whole(name string) (entry, bool) {
	e, ok := j.known[name]
	if !ok {
		return e, false
	}
	found, err := j.measure(name)
	return e, err == nil && found == e
}

// measure takes the size and the digest of a file.
func (j *journal) measure(name string) (entry, error) {
	if strings.Contains(name, "..") {
		return entry{}, fault.New(fault.Corrupt, "%s names %q", j.path(), name)
	}
	file, err := os.Open(filepath.Join(j.dir, filepath.FromSlash(name)))
	if err != nil {
		return entry{}, fault.New(fault.Unavailable, "read back %s: %w", name, err)
	}
	defer file.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, file)
	if err != nil {
		return entry{}, fault.New(fault.Unavailable, "read back %s: %w", name, err)
	}
	return entry{Path: name, Bytes: n, SHA256: hex.EncodeToString(sum.Sum(nil))}, nil
}

func (j *journal) close() error {
	if j.file == nil {
		return nil
	}
	file := j.file
	j.file = nil
	if err := file.Close(); err != nil {
		return unwritable(j.path(), err)
	}
	return nil
}
