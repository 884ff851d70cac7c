package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	superuser = "terrapin"
	// template is the database that others are copied from.
	template = "with_postgis"
	// startPatience is how long a server may take to answer; a busy machine is slow.
	startPatience = 60 * time.Second
)

// Server is a running PostgreSQL.
type Server struct {
	programs, dir string
	port          int
	owner         *syscall.Credential
	databases     atomic.Int64
	process       *os.Process
	ended         chan struct{}
}

func start(programs string) (s *Server, err error) {
	s = &Server{programs: programs}
	if s.owner, err = owner(); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "terrapin-pg-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			log, _ := os.ReadFile(s.log()) // it may not have come that far
			err = fmt.Errorf("%w\n%s", err, log)
			s.stop()
		}
	}()
	if err := errors.Join(os.Chmod(s.dir, 0o755), s.own(s.dir)); err != nil { //nolint:gosec // the server's user has to get in
		return nil, err
	}
	if err := s.initialise(); err != nil {
		return nil, err
	}
	if err := s.Start(); err != nil {
		return nil, err
	}
	return s, errors.Join(s.exec("postgres", "CREATE DATABASE "+template), s.exec(template, "CREATE EXTENSION postgis"))
}

// owner is the user that the server runs as: PostgreSQL refuses to run as root.
func owner() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, err
		}
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err1, err2)
}

func (s *Server) own(path string) error {
	if s.owner == nil {
		return nil
	}
	return os.Chown(path, int(s.owner.Uid), int(s.owner.Gid))
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }
func (s *Server) log() string  { return filepath.Join(s.dir, "log") }

func (s *Server) initialise() error {
	cmd := exec.Command(filepath.Join(s.programs, "initdb"), "-D", s.data(), "-U", superuser, "-A", "trust", "-E", "UTF8",
		"--locale=C.UTF-8", "--no-sync", "--no-instructions")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.owner}
	cmd.Dir = s.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// Start starts the server, again after Stop at the same port.
func (s *Server) Start() error {
	for range 3 { // another process may take the port between its choice and its use
		if s.port == 0 {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			s.port = l.Addr().(*net.TCPAddr).Port
			_ = l.Close()
		}
		if err := s.launch(); err != nil {
			return err
		}
		if s.answers() {
			return nil
		}
		s.port = 0
	}
	return errors.New("the server does not start")
}

func (s *Server) launch() error {
	log, err := os.OpenFile(s.log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600) // a pipe would be kept open by its children
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(s.programs, "postgres"), "-D", s.data(), "-p", strconv.Itoa(s.port), "-k", s.dir)
	for _, setting := range []string{
		"listen_addresses=127.0.0.1", "fsync=off", "full_page_writes=off", "shared_buffers=64MB",
		"max_connections=200", "log_min_messages=warning",
	} {
		cmd.Args = append(cmd.Args, "-c", setting)
	}
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.owner, Pdeathsig: syscall.SIGQUIT} // at once, its memory cleared up
	started, ended := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread() // the death signal follows the thread that started the process
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // its log says why
		}
		close(ended)
	}()
	if err := <-started; err != nil {
		return err
	}
	s.process, s.ended = cmd.Process, ended
	return nil
}

// answers waits until the server does; false means that it ended.
func (s *Server) answers() bool {
	deadline := time.Now().Add(startPatience)
	for time.Now().Before(deadline) {
		if s.exec("postgres", "SELECT 1") == nil {
			return true
		}
		select {
		case <-s.ended:
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
	return false
}

// Stop ends the server at once, as a crash would.
func (s *Server) Stop() {
	if s.process == nil {
		return
	}
	_ = s.process.Signal(syscall.SIGQUIT) // it may have ended
	<-s.ended
	s.process = nil
}

func (s *Server) stop() {
	s.Stop()
	_ = os.RemoveAll(s.dir)
}

func (s *Server) exec(database, text string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startPatience)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL(database))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, text)
	return err
}
