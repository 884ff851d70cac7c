// Command codecs times the chunk codecs of cube/zarr for benchmarks/codecs/codecs.py, which runs c-blosc beside
// it and asks for one measurement at a time. Each line of stdin is a request in JSON, each line of
// stdout its answer; requests that cannot be answered end the program.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"sync"
	"syscall"
	"time"

	"github.com/terrapin-eo/terrapin/cube/zarr"
)

type request struct {
	// Dir holds zarr.json, raw chunks *.raw and encoded ones *.enc.
	Dir string `json:"dir"`
	// Op is "decode", "encode" or "range": the first Part of 1 of every chunk.
	Op      string  `json:"op"`
	Part    float64 `json:"part"`
	Threads int     `json:"threads"`
	Seconds float64 `json:"seconds"`
	// Profile names a file for a CPU profile.
	Profile string `json:"profile"`
}

type answer struct {
	Backend string  `json:"backend"`
	Bytes   int     `json:"bytes"` // of decoded data
	Stored  int     `json:"stored"`
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu"` // seconds of processor time of all threads
}

type chunks struct {
	array    zarr.Array
	raw, enc [][]byte
}

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "codecs:", err)
		os.Exit(1)
	}
}

func serve() error {
	loaded := map[string]*chunks{}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var r request
		if err := json.Unmarshal(in.Bytes(), &r); err != nil {
			return err
		}
		if loaded[r.Dir] == nil {
			c, err := load(r.Dir)
			if err != nil {
				return err
			}
			loaded[r.Dir] = c
		}
		a, err := loaded[r.Dir].measure(r)
		if err != nil {
			return err
		}
		if err := json.NewEncoder(os.Stdout).Encode(a); err != nil {
			return err
		}
	}
	return in.Err()
}

func load(dir string) (*chunks, error) {
	text, err := os.ReadFile(filepath.Join(dir, "zarr.json"))
	if err != nil {
		return nil, err
	}
	c := new(chunks)
	if c.array, err = zarr.ParseArray(text); err != nil {
		return nil, err
	}
	for pattern, into := range map[string]*[][]byte{"*.raw": &c.raw, "*.enc": &c.enc} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				return nil, err
			}
			*into = append(*into, data)
		}
	}
	return c, nil
}

// measure repeats an operation over all chunks on every thread until the time is up.
func (c *chunks) measure(r request) (answer, error) {
	if r.Profile != "" {
		f, err := os.Create(r.Profile)
		if err != nil {
			return answer{}, err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return answer{}, err
		}
		defer pprof.StopCPUProfile()
	}
	a := answer{Backend: zarr.Backend}
	var mu sync.Mutex
	var all sync.WaitGroup
	var failed error
	start, cpu := time.Now(), processor()
	for range r.Threads {
		all.Go(func() {
			bytes, stored, err := c.loop(r, start.Add(time.Duration(r.Seconds*float64(time.Second))))
			mu.Lock()
			defer mu.Unlock()
			a.Bytes, a.Stored, failed = a.Bytes+bytes, a.Stored+stored, err
		})
	}
	all.Wait()
	a.Seconds, a.CPU = time.Since(start).Seconds(), (processor() - cpu).Seconds()
	return a, failed
}

// processor is the time this process has had on processors.
func processor() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func (c *chunks) loop(r request, until time.Time) (bytes, stored int, err error) {
	dst := make([]byte, c.array.ChunkBytes())
	if r.Op == "range" {
		size := c.array.ElementSize()
		dst = dst[:int(r.Part*float64(len(dst)))/size*size]
	}
	for time.Now().Before(until) {
		for i := range c.raw {
			switch r.Op {
			case "encode":
				var out []byte
				out, err = c.array.Encode(c.raw[i])
				stored += len(out)
			case "range":
				err = c.array.DecodeRange(dst, c.enc[i], 0)
			default:
				err = c.array.Decode(dst, c.enc[i])
			}
			if err != nil {
				return 0, 0, err
			}
			bytes += len(dst)
		}
	}
	return bytes, stored, nil
}
