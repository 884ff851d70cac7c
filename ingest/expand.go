package ingest

import (
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/terrapin-eo/terrapin/fault"
)

// rasterEndings are the file names that a folder is searched for.
var rasterEndings = map[string]bool{".tif": true, ".tiff": true, ".jp2": true}

// Files lists the files that a source needs, for a client that uploads them: those of a folder, a
// STAC item with its assets, all of a Zarr group, or the source itself.
func Files(path string) ([]string, error) {
	if isZarr(path) {
		return zarrFiles(path)
	}
	scenes, err := expand(path)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, s := range scenes {
		files = append(files, s)
		if !isJSON(s) {
			continue
		}
		if it, err := readItem(s); err == nil {
			files = append(files, it.files()...)
		}
	}
	return files, nil
}

// expand turns a folder into its scenes, sorted: STAC items, and rasters that are no asset of one of
// them. Anything else stands for itself.
func expand(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return []string{path}, nil // opening it tells what is wrong
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fault.New(fault.Invalid, "folder %s cannot be listed: %w", path, err).WithCure("check its permissions")
	}
	var scenes, folders []string
	assets := map[string]bool{}
	for _, e := range entries {
		full := filepath.Join(path, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case e.IsDir():
			folders = append(folders, full)
		case isJSON(e.Name()):
			if it, err := readItem(full); err == nil {
				scenes = append(scenes, full)
				for _, f := range it.files() {
					assets[f] = true
				}
			}
		case rasterEndings[strings.ToLower(filepath.Ext(e.Name()))]:
			scenes = append(scenes, full)
		}
	}
	kept := scenes[:0]
	for _, s := range scenes {
		if !assets[s] {
			kept = append(kept, s)
		}
	}
	if len(kept) == 0 {
		e := fault.New(fault.Invalid, "folder %s holds no raster (.tif, .tiff, .jp2) and no STAC item (.json)", path)
		if len(folders) > 0 {
			return nil, e.WithCure("folders below it are not searched; name them: %s …", folders[0])
		}
		return nil, e.WithCure("name the folder that holds the scenes")
	}
	sort.Strings(kept)
	return kept, nil
}

func isJSON(path string) bool {
	ext := strings.ToLower(filepath.Ext(path))
	return ext == ".json" || ext == ".geojson"
}
