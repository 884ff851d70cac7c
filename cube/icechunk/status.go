package icechunk

import (
	"context"
	"fmt"
	"time"

	"github.com/terrapin-eo/terrapin/fault"
)

// availability of a repository; anything but online refuses writes.
const (
	online   = 0
	readOnly = 1
)

// repoStatus is the status as the file has it.
type repoStatus struct {
	availability byte
	setAt        uint64 // microseconds
	reason       string
}

// Status says whether a repository takes writes.
type Status struct {
	ReadOnly bool
	Reason   string // why it is read-only; may be empty
	Since    time.Time
}

// Status reads the status of the repository.
func (r *Repo) Status(ctx context.Context) (Status, error) {
	st, err := r.state(ctx)
	if err != nil {
		return Status{}, fmt.Errorf("read status: %w", err)
	}
	return st.info.status.public(), nil
}

func (s repoStatus) public() Status {
	return Status{ReadOnly: s.availability != online, Reason: s.reason, Since: time.UnixMicro(int64(s.setAt)).UTC()}
}

// SetStatus makes the repository read-only for every client, with the reason they are shown, or online
// again (then reason must be empty). Setting what holds already changes nothing.
func (r *Repo) SetStatus(ctx context.Context, readOnlyNow bool, reason string) error {
	want := repoStatus{availability: online, reason: reason}
	if readOnlyNow {
		want.availability = readOnly
	} else if reason != "" {
		return fault.New(fault.Invalid, "set status: an online repository has no reason %q", reason)
	}
	err := r.update(ctx, func(info *repoInfo) (*update, error) {
		if info.status.availability == want.availability && info.status.reason == want.reason {
			return nil, nil
		}
		status := want
		status.setAt = r.micros()
		info.status = status
		return &update{kind: repoStatusChanged, status: &status}, nil
	})
	if err != nil {
		return fmt.Errorf("set status: %w", err)
	}
	return nil
}

// writable refuses a change of a repository that is not online, unless it changes just that.
func (s repoStatus) writable(url string, up *update) error {
	if s.availability == online || up.kind == repoStatusChanged {
		return nil
	}
	return fault.New(fault.Precondition, "the repository %s refuses writes: %s", url, s.reason).WithCure("set its status back to online")
}
