package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/terrapin-eo/terrapin/catalog/bulk"
	"github.com/terrapin-eo/terrapin/catalog/sqlite"
	"github.com/terrapin-eo/terrapin/fault"
)

// sqliteMagic is what a SQLite file begins with.
const sqliteMagic = "SQLite format 3\x00"

// saveSQLite copies a SQLite catalog as it is at one moment, and returns the copy's size in bytes.
func saveSQLite(ctx context.Context, from, to string) (int64, error) {
	failed := func(err error) error {
		return fault.New(fault.Precondition, "write %s: %w", to, err).WithCure("name a file in a folder that can be written to and has room")
	}
	dir, err := os.MkdirTemp(filepath.Dir(to), ".terrapin-copy-")
	if err != nil {
		return 0, failed(err)
	}
	defer os.RemoveAll(dir) // of what did not get its name
	part := filepath.Join(dir, "catalog.sqlite")
	if err := sqlite.Copy(ctx, from, part); err != nil {
		return 0, err
	}
	f, err := os.Open(part)
	if err != nil {
		return 0, failed(err)
	}
	info, err := f.Stat()
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return 0, failed(err)
	}
	if err := os.Rename(part, to); err != nil {
		return 0, failed(err)
	}
	return info.Size(), nil
}

// openSQLiteBackup reads a copy of a SQLite catalog. It is copied once more, as opening it would change it.
func openSQLiteBackup(ctx context.Context, f *os.File) (bulk.Source, func(), error) {
	dir, err := os.MkdirTemp("", "terrapin-restore-")
	if err != nil {
		return nil, nil, fault.New(fault.Unavailable, "make room for the backup: %w", err)
	}
	part := filepath.Join(dir, "catalog.sqlite")
	err = copyFile(f, part)
	if err != nil {
		_ = os.RemoveAll(dir) // the reason is told already
		return nil, nil, fault.New(fault.Unavailable, "copy the backup: %w", err).WithCure("make room for temporary files, or name another place by TMPDIR")
	}
	c, err := sqlite.Open(ctx, part)
	if err != nil {
		_ = os.RemoveAll(dir) // the reason is told already
		return nil, nil, err
	}
	return bulk.FromPages(bulk.Of(c), f.Name()), func() {
		_ = c.Close() // of a copy that goes
		_ = os.RemoveAll(dir)
	}, nil
}

func copyFile(f *os.File, to string) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, f)
	return errors.Join(err, out.Close())
}
