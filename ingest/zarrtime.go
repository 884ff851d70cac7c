package ingest

import (
	"math"
	"math/big"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/terrapin-eo/terrapin/cube"
	"github.com/terrapin-eo/terrapin/cube/zarr"
	"github.com/terrapin-eo/terrapin/fault"
)

// findTimes reads the time coordinate of a group with a time axis.
func (s *zarrStore) findTimes() error {
	a := s.sample()
	at := dimension(a, "time")
	if at < 0 {
		return nil
	}
	name := a.Dims[at]
	t, ok := s.arrays[name]
	if !ok || len(t.Shape) != 1 || t.Shape[0] != a.Shape[at] {
		err := fault.New(fault.Invalid, "%s has %d times and no coordinate array %q of that length", s.path, a.Shape[at], name)
		if bad := s.unread[name]; bad != nil {
			err = fault.New(fault.KindOf(bad), "the time coordinate %s of %s cannot be read: %w", name, s.path, bad)
		}
		return err.WithCure("write it by CF: numbers with units such as \"microseconds since 1970-01-01\"")
	}
	times, err := s.readTimes(name)
	if err != nil {
		return err
	}
	s.times = times
	return nil
}

// readTimes decodes an array of CF times.
func (s *zarrStore) readTimes(name string) ([]time.Time, error) {
	a := s.arrays[name]
	units, _ := a.Attrs["units"].(string)
	calendar, _ := a.Attrs["calendar"].(string)
	epoch, step, err := parseUnits(units, calendar)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the time coordinate %s of %s: %w", name, s.path, err).
			WithCure(`write it by CF, such as "microseconds since 1970-01-01", in the standard calendar`)
	}
	values, err := s.readAll(name)
	if err != nil {
		return nil, err
	}
	var times []time.Time
	for i := 0; i < len(values); i += a.DType.Size() {
		t, ok := moment(epoch, step, values[i:], a.DType)
		if !ok {
			return nil, fault.New(fault.Invalid, "%s: time %d is missing or out of range", s.path, i/a.DType.Size()+1).WithCure("give every step a time, or leave it out")
		}
		times = append(times, t)
	}
	return times, nil
}

// cfUnits is the form of CF time units; the zone of the epoch is UTC.
var cfUnits = regexp.MustCompile(`^\s*([A-Za-z]+)\s+since\s+(\d{1,4}-\d{1,2}-\d{1,2})(?:[T\s]+(\d{1,2}:\d{1,2}(?::\d{1,2}(?:\.\d+)?)?))?\s*(?:Z|UTC|\+?00?:?00)?\s*$`)

// steps are the lengths of CF units. Months and years have none.
var steps = map[string]time.Duration{
	"nanosecond": time.Nanosecond, "ns": time.Nanosecond, "microsecond": time.Microsecond, "us": time.Microsecond,
	"millisecond": time.Millisecond, "msec": time.Millisecond, "ms": time.Millisecond, "second": time.Second, "sec": time.Second, "s": time.Second,
	"minute": time.Minute, "min": time.Minute, "hour": time.Hour, "hr": time.Hour, "h": time.Hour, "day": 24 * time.Hour, "d": 24 * time.Hour,
}

func parseUnits(units, calendar string) (epoch time.Time, step time.Duration, err error) {
	switch strings.ToLower(calendar) {
	case "", "standard", "gregorian", "proleptic_gregorian":
	default:
		return epoch, 0, fault.New(fault.Invalid, "its calendar is %q", calendar)
	}
	m := cfUnits.FindStringSubmatch(units)
	if m == nil {
		return epoch, 0, fault.New(fault.Invalid, "its units are %q", units)
	}
	unit := strings.ToLower(m[1])
	step, ok := steps[unit]
	if !ok {
		step, ok = steps[strings.TrimSuffix(unit, "s")]
	}
	if !ok {
		return epoch, 0, fault.New(fault.Invalid, "its unit is %q", m[1])
	}
	if epoch, err = time.Parse("2006-1-2", m[2]); err != nil {
		return epoch, 0, err
	}
	if m[3] == "" {
		return epoch, step, nil
	}
	for _, form := range []string{"15:4:5", "15:4"} {
		clock, err := time.Parse(form, m[3])
		if err == nil {
			return epoch.Add(clock.Sub(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC))), step, nil
		}
	}
	return epoch, 0, fault.New(fault.Invalid, "its units are %q", units)
}

// moment is a time of so many steps since an epoch, to the microsecond.
func moment(epoch time.Time, step time.Duration, value []byte, d cube.DType) (time.Time, bool) {
	steps := new(big.Float).SetPrec(200)
	if d.Float() {
		v := d.Get(value)
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return time.Time{}, false
		}
		steps.SetFloat64(v)
	} else {
		steps.SetInt64(integer(value, d))
	}
	nanos := steps.Mul(steps, new(big.Float).SetInt64(int64(step)))
	micros := nanos.Quo(nanos, big.NewFloat(1000))
	half := big.NewFloat(0.5)
	if micros.Sign() < 0 {
		half.Neg(half)
	}
	n, _ := micros.Add(micros, half).Int64() // rounded to the nearest
	t := time.UnixMicro(epoch.UnixMicro() + n).UTC()
	const far = int64(9e16) // microseconds: some 2800 years
	return t, n < far && n > -far && t.Year() >= 1 && t.Year() <= 9999
}

// timeWithoutAxis finds when a group without a time axis was acquired: a scalar coordinate, else its
// attribute datetime, else the pattern in its name.
func (r *run) timeWithoutAxis(s *zarrStore) (time.Time, error) {
	if a, ok := s.arrays["time"]; ok && len(a.Shape) == 0 && a.DType != zarr.String {
		times, err := s.readTimes("time")
		if err != nil {
			return time.Time{}, err
		}
		return times[0], nil
	}
	if text, ok := s.attrs["datetime"].(string); ok {
		if t, err := parseAcquisition(text); err == nil {
			return t, nil
		}
	}
	missing := fault.New(fault.Invalid, "%s does not say when it was acquired", s.path)
	if r.pattern != nil {
		t, err := r.pattern.find(filepath.Base(s.path))
		if err == nil {
			return t, nil
		}
		missing = fault.New(fault.Invalid, "%s: %w", s.path, err)
	}
	return time.Time{}, missing.WithCure("give it a time axis, a scalar coordinate time, an attribute datetime, or a --datetime-pattern for its name")
}
