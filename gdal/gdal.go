// Package gdal reads foreign rasters and writes cloud-optimised GeoTIFFs through libgdal. It is the
// only importer of godal, and no type of godal stands in a signature. It refuses everything that is
// not one local regular file in a format that cannot reach other files: virtual file systems
// ("/vsi…"), URLs, subdataset strings, VRT. It also refuses, before anything is allocated, rasters
// that claim an absurd size.
//
// The invariant: pixels that come out of Read are what the file holds. GDAL opens a truncated file
// without complaint, so an open raster proves nothing; only a Read that returns nil does. Sidecar
// files (.aux.xml, .ovr, .msk, world files) are neither read nor written.
package gdal

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/airbusgeo/godal"

	"github.com/terrapin-eo/terrapin/fault"
)

// formats are the drivers a file may be opened with. Each reads one self-contained file. VRT, GTI,
// STACIT and the like name other files or URLs inside; netCDF and HDF5 can follow external links; a
// raw format's header names its data file. They are left out on purpose.
var formats = []string{"GTiff", "JP2OpenJPEG", "PNG"}

// Limits on what a file may claim. A Sentinel-2 tile has 1.2e8 pixels; 131072² is far beyond any scene.
const (
	maxPixels     = 1 << 34
	maxEdge       = 1 << 24
	maxBands      = 4096
	maxBlockBytes = 1 << 29
	maxOpen       = 256
)

var (
	setup sync.Once
	// open counts the handles in use: GDAL keeps a block cache per handle.
	open atomic.Int64
	// reading bounds concurrent decoding; more than one per core only costs memory.
	reading = make(chan struct{}, runtime.GOMAXPROCS(0))
)

// start registers the drivers once. GDAL reads its settings from the environment, and must find
// them there before it registers anything; a setting the user made stays.
func start() {
	setup.Do(func() {
		for key, value := range map[string]string{
			"GDAL_CACHEMAX":                 "256",
			"GDAL_DISABLE_READDIR_ON_OPEN":  "EMPTY_DIR",
			"GDAL_PAM_ENABLED":              "NO",  // never write .aux.xml beside a source
			"GDAL_ERROR_ON_LIBJPEG_WARNING": "YES", // a cut JPEG is an error, not grey pixels
			"GDAL_MAX_BAND_COUNT":           "65536",
			"PROJ_NETWORK":                  "OFF",
			"CPL_LOG":                       os.DevNull, // messages outside a call of ours
		} {
			if os.Getenv(key) == "" {
				os.Setenv(key, value)
			}
		}
		godal.RegisterAll()
	})
}

// local checks that a path names one regular file of this machine and returns it in absolute form,
// so that GDAL cannot take it for a connection string.
func local(path string) (string, error) {
	cure := "give the path of one GeoTIFF or JPEG 2000 file on this machine"
	switch {
	case strings.HasPrefix(path, "/vsi") || strings.HasPrefix(path, `\vsi`):
		return "", fault.New(fault.Invalid, "%s is one of GDAL's virtual file systems, which are not opened", path).WithCure("%s", cure)
	case strings.Contains(path, "://"):
		return "", fault.New(fault.Unsupported, "%s is a URL, and this release reads local files", path).WithCure("download it first, then %s", cure)
	case strings.ContainsRune(path, 0):
		return "", fault.New(fault.Invalid, "path %q holds a NUL", path).WithCure("%s", cure)
	}
	info, err := os.Stat(path)
	switch {
	case os.IsNotExist(err):
		return "", fault.New(fault.NotFound, "%s does not exist", path).WithCure("check the path; a relative one starts at the current directory")
	case err != nil:
		return "", fault.New(fault.Invalid, "%s cannot be read: %w", path, err).WithCure("check the permissions")
	case !info.Mode().IsRegular():
		return "", fault.New(fault.Invalid, "%s is not a regular file", path).WithCure("%s", cure)
	case info.Size() == 0:
		return "", fault.New(fault.Corrupt, "%s is empty (0 bytes)", path).WithCure("copy or download it again")
	}
	return filepath.Abs(path)
}

// messages gathers what GDAL says. A warning is kept, a failure becomes the error.
type messages struct {
	closed bool
	file   string
	// warnings are the first ones; lost is the first that admits lost pixels, however many came before.
	warnings []string
	lost     string
}

// maxWarnings bounds what a damaged file can make us remember.
const maxWarnings = 16

func (m *messages) logger() godal.ErrorHandler {
	return func(category godal.ErrorCategory, _ int, text string) error {
		text = m.clean(text)
		switch {
		case category >= godal.CE_Failure:
			return fault.New(fault.Corrupt, "%s", text)
		case category == godal.CE_Warning:
			m.warn(text)
		}
		return nil
	}
}

func (m *messages) warn(text string) {
	if m.lost == "" && admitsLoss(text) {
		m.lost = text
	}
	if len(m.warnings) < maxWarnings {
		m.warnings = append(m.warnings, text)
	}
}

// clean drops the absolute path, which the reader of a report did not give, and line breaks.
func (m *messages) clean(text string) string {
	text = strings.ReplaceAll(text, m.file+":", "")
	text = strings.ReplaceAll(text, m.file, filepath.Base(m.file))
	return strings.Join(strings.Fields(text), " ")
}

// oneLine writes what GDAL said on the way to a failure, each thing once.
func oneLine(err error) string {
	var said []string
	for _, line := range strings.Split(err.Error(), "\n") {
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(said, line) && len(said) < 4 {
			said = append(said, line)
		}
	}
	return strings.Join(said, "; ")
}

// lossy are the words by which a codec's warning admits that pixels are missing or invented.
var lossy = []string{"premature", "corrupt", "truncated", "not enough data", "unexpected end", "missing"}

func admitsLoss(text string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(lossy, func(word string) bool { return strings.Contains(text, word) })
}

// loss returns the first warning that admits lost pixels as an error.
func (m *messages) loss() error {
	if m.lost == "" {
		return nil
	}
	return fault.New(fault.Corrupt, "%s", m.lost)
}

// guard turns a panic below, in the binding's own parsing of foreign strings, into an error.
func guard(path string, err *error) {
	if r := recover(); r != nil {
		*err = fault.New(fault.Corrupt, "%s breaks the GDAL binding: %v", path, r).
			WithCure("rewrite it with gdal_translate, or get it again")
	}
}
