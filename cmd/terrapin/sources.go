package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/fault"
)

// sourceSet are the files a verb reads: the paths in this machine's file system, and the names the
// caller knows them by.
type sourceSet struct {
	paths []string
	given map[string]string // path → name as the caller gave it
	dir   string            // temporary folder to remove, or ""
}

// gather finds a call's sources. A call of the command line in this process names paths. A remote one
// uploads files, which are laid out in a temporary folder as they stood on the client: files[i] belongs
// at layout[i], which is "I/path" for source I; without a layout every file is a source of its own.
func gather(c call, sources, layout []string) (*sourceSet, error) {
	s, files := &sourceSet{given: map[string]string{}}, c.files
	if !c.remote {
		s.paths = sources
		return s, nil
	}
	if len(files) == 0 && layout == nil && len(sources) > 0 {
		return nil, fault.New(fault.Invalid, "%q names a file without sending it", sources[0]).
			WithCure("upload it as a part of multipart/form-data; a server opens no paths of its own machine for a caller")
	}
	if layout == nil {
		sources = nil
		for i, f := range files {
			sources = append(sources, f.Name)
			layout = append(layout, fmt.Sprintf("%d/%s", i, filepath.Base(f.Name)))
		}
	}
	if len(layout) != len(files) {
		return nil, fault.New(fault.Invalid, "%d files came, %d places are named in layout", len(files), len(layout))
	}
	var err error
	if s.dir, err = os.MkdirTemp("", "terrapin-upload-"); err != nil {
		return nil, fault.New(fault.Unavailable, "space for the upload: %w", err)
	}
	for i, f := range files {
		if err := s.lay(f.Path, layout[i]); err != nil {
			s.remove()
			return nil, err
		}
	}
	for i, name := range sources {
		place := filepath.Join(s.dir, fmt.Sprint(i))
		path := filepath.Join(place, filepath.Base(filepath.Clean(name)))
		s.paths = append(s.paths, path)
		s.given[path], s.given[place] = name, filepath.Dir(name)
	}
	return s, nil
}

func (s *sourceSet) lay(path, place string) error {
	rel := filepath.FromSlash(place)
	if !filepath.IsLocal(rel) {
		return fault.New(fault.Invalid, "layout names a place outside of the upload: %q", place)
	}
	to := filepath.Join(s.dir, rel)
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return fault.New(fault.Unavailable, "space for the upload: %w", err)
	}
	if err := os.Rename(path, to); err != nil {
		return fault.New(fault.Unavailable, "space for the upload: %w", err)
	}
	return nil
}

// named gives the paths in a text back under the caller's names.
func (s *sourceSet) named(text string) string {
	paths := slices.SortedFunc(maps.Keys(s.given), func(a, b string) int { return len(b) - len(a) })
	for _, path := range paths {
		text = strings.ReplaceAll(text, path, s.given[path])
	}
	return text
}

// namedIn gives an error the caller's names, where it tells of an upload's temporary folder.
func (s *sourceSet) namedIn(err error) error {
	if s.dir == "" || fault.Is(err, fault.Canceled) || !strings.Contains(err.Error(), s.dir) {
		return err
	}
	out := fault.New(fault.KindOf(err), "%s", s.named(err.Error()))
	if cure := fault.CureOf(err); cure != "" {
		out = out.WithCure("%s", s.named(cure))
	}
	return out
}

// remove deletes the temporary folder.
func (s *sourceSet) remove() {
	if s.dir != "" {
		_ = os.RemoveAll(s.dir) // it lies in the system's temporary folder
	}
}
