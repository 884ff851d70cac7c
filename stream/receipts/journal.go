package receipts

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"regexp"
	"strconv"

	"github.com/terrapin-eo/terrapin/fault"
)

// entry is one line of the file: exactly one of its fields is set.
type entry struct {
	// Ledger stands first.
	Ledger *header `json:"ledger,omitempty"`
	// Open is a new session.
	Open *Record `json:"open,omitempty"`
	// Ack is what is acknowledged of a session now; the ticket is left out.
	Ack *Record `json:"ack,omitempty"`
}

// header says what a file is, and what was dropped from it before.
type header struct {
	Format  int     `json:"format"`
	Dropped Dropped `json:"dropped"`
	// Damaged counts the lines of the files before this one that did not read.
	Damaged uint64 `json:"damaged,omitempty"`
}

const format = 1

// maxLine bounds a line; a record with the largest ticket, every character escaped, stays below it.
const maxLine = 8*MaxTicket + 16<<10

// journal is the file of a ledger: lines of 8 hex digits, a blank and JSON, where the digits are the CRC-32C
// of the JSON. It is only appended to. A line that is torn or damaged is passed over and counted; what
// stands behind it is read.
type journal struct {
	path string
	file *os.File
	size int64
	// torn: the file may end in the middle of a line.
	torn bool
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encode appends the line of an entry.
func encode(dst []byte, e entry) ([]byte, error) {
	text, err := json.Marshal(e)
	if err != nil {
		return dst, fault.New(fault.Internal, "write a receipt: %w", err)
	}
	dst = fmt.Appendf(dst, "%08x ", crc32.Checksum(text, castagnoli))
	return append(append(dst, text...), '\n'), nil
}

// decode reads a line without its end; ok is false for what was never written so.
func decode(line []byte) (e entry, ok bool) {
	sum, text, found := bytes.Cut(line, []byte(" "))
	if !found || len(sum) != 8 {
		return entry{}, false
	}
	want, err := strconv.ParseUint(string(sum), 16, 32)
	if err != nil || uint32(want) != crc32.Checksum(text, castagnoli) || json.Unmarshal(text, &e) != nil {
		return entry{}, false
	}
	return e, true
}

// found is what reading a file has found besides its entries.
type found struct {
	// whole is how far whole lines go; behind it may be the beginning of a line that a crash tore.
	whole, size int64
	// lines counts whole lines, and damaged those that do not read; firsts are the numbers of the first
	// of them, from 1.
	lines, damaged uint64
	firsts         []uint64
}

// maxTold bounds how many damaged lines are told one by one.
const maxTold = 20

// lines reads all entries of a file.
func lines(r io.Reader, each func(entry) error) (f found, err error) {
	in := bufio.NewReaderSize(r, maxLine)
	for tooLong := false; ; {
		line, err := in.ReadSlice('\n')
		f.size += int64(len(line))
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			tooLong = true // no line of ours: on to its end
			continue
		case errors.Is(err, io.EOF):
			return f, nil
		case err != nil:
			return f, err
		}
		f.whole = f.size
		f.lines++
		line = line[:len(line)-1]
		all := []entry(nil)
		if e, ok := decode(line); ok && !tooLong {
			all = append(all, e)
		} else {
			f.damaged++
			if len(f.firsts) < maxTold {
				f.firsts = append(f.firsts, f.lines)
			}
			all = rescued(line)
		}
		for _, e := range all {
			if err := each(e); err != nil {
				return f, err
			}
		}
		tooLong = false
	}
}

// begins is how a line begins; within a line it stands nowhere, as quotes in a text are escaped.
var begins = regexp.MustCompile(`[0-9a-f]{8} \{"`)

// rescued is what reads of a damaged line: where the end of a line was lost, the next one stands in it.
func rescued(line []byte) (all []entry) {
	starts := begins.FindAllIndex(line, -1)
	for i, at := range starts {
		part := line[at[0]:]
		if i+1 < len(starts) {
			part = line[at[0]:starts[i+1][0]]
		}
		e, ok := decode(part)
		if !ok && i+1 < len(starts) {
			e, ok = decode(part[:len(part)-1]) // without what was its end
		}
		if ok {
			all = append(all, e)
		}
	}
	return all
}

// openJournal reads a file and opens it for appending; what a crash left at its end is cut off.
func openJournal(path string, each func(entry) error) (*journal, found, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, found{}, unwritable(path, err)
	}
	got, err := lines(f, each)
	if err == nil {
		err = f.Truncate(got.whole)
	}
	if err == nil {
		_, err = f.Seek(got.whole, io.SeekStart)
	}
	if err != nil {
		return nil, got, errors.Join(unreadable(path, err), f.Close())
	}
	j := &journal{path: path, file: f, size: got.whole}
	if got.whole == 0 {
		if err := j.append([]entry{{Ledger: &header{Format: format}}}); err != nil {
			return nil, got, errors.Join(err, f.Close())
		}
	}
	return j, got, nil
}

// readJournal reads a file that another process may be appending to.
func readJournal(path string, each func(entry) error) (found, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return found{}, nil
	}
	if err != nil {
		return found{}, unreadable(path, err)
	}
	defer f.Close()
	got, err := lines(f, each)
	if err != nil {
		return got, unreadable(path, err)
	}
	return got, nil
}

// append writes entries at the end, all in one piece.
func (j *journal) append(all []entry) error {
	var text []byte
	if j.torn {
		text = append(text, '\n') // ends what was begun, so that it is passed over
	}
	var err error
	for _, e := range all {
		if text, err = encode(text, e); err != nil {
			return err
		}
	}
	n, err := j.file.Write(text)
	if err != nil {
		if n > 0 && !j.cut() {
			j.size += int64(n)
			j.torn = true
		}
		return unwritable(j.path, err)
	}
	j.size += int64(n)
	j.torn = false
	return nil
}

// cut takes back what was written beyond the size, so that no half line stays.
func (j *journal) cut() bool {
	if j.file.Truncate(j.size) != nil {
		return false
	}
	_, err := j.file.Seek(j.size, io.SeekStart)
	return err == nil
}

// replace writes the file anew with these entries alone.
func (j *journal) replace(all []entry) error {
	part := j.path + ".part"
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return unwritable(part, err)
	}
	fresh := &journal{path: j.path, file: f}
	err = fresh.append(all)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(part, j.path)
	}
	if err != nil {
		return errors.Join(unwritable(part, err), f.Close())
	}
	_ = j.file.Close() // of a file that has no name any more
	*j = *fresh
	return nil
}

// close sees to it that all is on the disk.
func (j *journal) close() error {
	if err := errors.Join(j.file.Sync(), j.file.Close()); err != nil {
		return unwritable(j.path, err)
	}
	return nil
}

func unwritable(path string, err error) error {
	return fault.New(fault.Unavailable, "write the receipts in %s: %w", path, err).WithCure("see that the folder can be written to and has room")
}

func unreadable(path string, err error) error {
	if fault.KindOf(err) != fault.Internal {
		return err
	}
	return fault.New(fault.Unavailable, "read the receipts in %s: %w", path, err).WithCure("see that the file can be read")
}
