package ingest

import (
	"encoding/json"
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

// Scenes lists the scenes of a folder as they are taken from it, or the source itself; none where the
// folder has none.
func Scenes(path string) []string {
	if isZarr(path) {
		return []string{path}
	}
	scenes, err := expand(path)
	if err != nil {
		return nil // reading the source tells why
	}
	return scenes
}

// expand turns a folder into its scenes, sorted: STAC items, also damaged ones, and rasters that are no
// asset of one of them. Anything else stands for itself.
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
			it, err := readItem(full)
			if err != nil && isOther(full) {
				continue
			}
			scenes = append(scenes, full) // a damaged item too: reading it again tells what is wrong
			if err == nil {
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

// isOther reports whether a JSON file is whole and something else than a STAC item, such as a class legend,
// a collection or label polygons.
func isOther(path string) bool {
	info, err := os.Stat(path)
	if err != nil || info.IsDir() || info.Size() > maxItemBytes {
		return err == nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	var doc any
	if json.Unmarshal(data, &doc) != nil {
		return false
	}
	fields, _ := doc.(map[string]any)
	_, versioned := fields["stac_version"]
	_, assets := fields["assets"]
	return fields["type"] != "Feature" || !versioned && !assets
}

func isJSON(path string) bool {
	ext := strings.ToLower(filepath.Ext(path))
	return ext == ".json" || ext == ".geojson"
}
