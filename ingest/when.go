package ingest

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
)

// date finds the acquisition time: the pattern in the file's name, else the item's time, else the
// IMAGERY metadata of the file. Neither TIFFTAG_DATETIME, which writers set to the time of writing,
// nor the file's clock is asked.
func (r *run) date(sc *scene) error {
	var missed error
	if r.pattern != nil {
		t, err := r.pattern.find(filepath.Base(sc.path))
		if err == nil {
			sc.time = t
			return r.availability(sc)
		}
		if !fault.Is(err, fault.NotFound) {
			return err
		}
		missed = err
	}
	if sc.item != nil {
		t, ok, err := sc.item.time()
		if err != nil {
			return err
		}
		if ok {
			sc.time = t
			return r.availability(sc)
		}
		return fault.New(fault.Invalid, "STAC item %s has neither datetime nor start_datetime", sc.path).WithCure("give it one, or a --datetime-pattern for the file's name")
	}
	if s := sc.rasters[0].Metadata("IMAGERY")["ACQUISITIONDATETIME"]; s != "" {
		t, err := parseAcquisition(s)
		if err != nil {
			return fault.New(fault.Invalid, "%s: its metadata ACQUISITIONDATETIME is %q, not a time", sc.path, s).WithCure("give a --datetime-pattern for the file's name")
		}
		sc.time = t
		if missed != nil {
			sc.notes = append(sc.notes, missed.Error()+"; the time is that of its metadata ACQUISITIONDATETIME")
		}
		return r.availability(sc)
	}
	cure := "give a --datetime-pattern that fits the file's name, such as 's2_%Y%m%d', or a STAC item with a datetime"
	if tag := sc.rasters[0].Metadata("")["TIFFTAG_DATETIME"]; tag != "" {
		cure += fmt.Sprintf(" (TIFFTAG_DATETIME = %s is not used: it is when the file was written)", tag)
	}
	if missed != nil {
		return fault.New(fault.Invalid, "%s: %w", sc.path, missed).WithCure("%s", cure)
	}
	return fault.New(fault.Invalid, "%s does not say when it was acquired", sc.path).WithCure("%s", cure)
}

// parseAcquisition reads GDAL's IMAGERY time, which has no zone and means UTC, or RFC 3339.
func parseAcquisition(s string) (time.Time, error) {
	var first error
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999", "2006-01-02T15:04:05.999999"} {
		t, err := time.Parse(layout, strings.TrimSpace(s))
		if err == nil {
			return t.UTC().Truncate(time.Microsecond), nil
		}
		if first == nil {
			first = err
		}
	}
	return time.Time{}, first
}

func (r *run) availability(sc *scene) error {
	if sc.item == nil {
		return nil
	}
	t, from, err := sc.item.available()
	if err != nil {
		return err
	}
	if from != "" && t.Before(sc.time) {
		return fault.New(fault.Invalid, "STAC item %s was %s at %s, before it was acquired at %s", sc.path, from, stamp(t), stamp(sc.time)).
			WithCure("correct the time that is wrong")
	}
	sc.available, sc.availableFrom = t, from
	sc.properties = sc.item.properties()
	return nil
}
