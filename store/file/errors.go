package file

import (
	"context"
	"errors"
	"io/fs"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"golang.org/x/sys/unix"
)

// missing reports whether an error means that there is no such object. A key below another object's
// key has a file where a folder would be.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, store.ErrNotFound)
}

// forbidden reports whether an error means that this user may not write there.
func forbidden(err error) bool { return errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) }

// outside reports whether an error means that a link leads out of the directory, or in a circle.
func outside(err error) bool {
	var at *fs.PathError
	return errors.Is(err, unix.ELOOP) || errors.As(err, &at) && !errors.As(at.Err, new(unix.Errno))
}

// explain turns what the system said into a kind and a cure.
func explain(op string, err error) error {
	var known *fault.Error
	switch {
	case errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return err
	case op == "open" && missing(err):
		return store.ErrNotFound
	case errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT):
		return fault.New(fault.Unavailable, "%s: the disk is full: %w", op, err).WithCure("free space and do it again; this write left nothing behind")
	case op == "open" && errors.Is(err, fs.ErrPermission):
		return fault.New(fault.Precondition, "%s: not allowed: %w", op, err).WithCure("give this user the right to read it and to pass through the folders above it")
	case forbidden(err):
		return fault.New(fault.Precondition, "%s: not allowed: %w", op, err).WithCure("give this user the right to write there, or name another directory")
	case errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE):
		return fault.New(fault.Unavailable, "%s: too many open files: %w", op, err).WithCure("raise the limit of open files (ulimit -n)")
	case errors.Is(err, unix.ENAMETOOLONG) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.EISDIR) || errors.Is(err, fs.ErrExist):
		return fault.New(fault.Invalid, "%s: the key does not fit beside what is there: %w", op, err)
	case op == "open" && outside(err):
		return fault.New(fault.Corrupt, "%s: no object of this directory: %w", op, err).WithCure("put the file back from a copy: `terrapin store fsck` says what needs it")
	case op == "open":
		return fault.New(fault.Unavailable, "%s: %w", op, err).WithCure("see what the system's log says of the disk")
	}
	return fault.New(fault.Internal, "%s: %w", op, err)
}
