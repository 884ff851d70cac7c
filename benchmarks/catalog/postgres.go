package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sort"
	"strconv"
	"syscall"
)

// cluster is a PostgreSQL of its own in a folder, on the loopback, with the same settings for whoever uses it.
type cluster struct {
	bin, dir string
	port     int
	server   *process
}

// settings are what `SELECT check_pgstac_settings('8GB')` asks for, pgstac's own advice, and room for the log of a
// bulk load. Nothing that keeps data safe is turned off. Its check of maintenance_work_mem cannot be met (it warns below
// a fifth of the memory and above three tenths of the shared buffers): this is the middle of what its text recommends.
func (c *cluster) settings() []string {
	return []string{
		"listen_addresses=127.0.0.1", "port=" + strconv.Itoa(c.port), "unix_socket_directories=" + c.dir,
		"shared_buffers=2GB", "effective_cache_size=5GB", "maintenance_work_mem=600MB", "work_mem=30MB", "max_connections=70",
		"temp_buffers=320MB", "random_page_cost=1.1", "seq_page_cost=1",
		"max_wal_size=8GB", "checkpoint_timeout=15min", "wal_compression=on", "log_min_messages=error",
	}
}

// postgresBin finds the newest PostgreSQL that Debian installed.
func postgresBin() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errors.New("no PostgreSQL below /usr/lib/postgresql: run `.ci/setup bench-catalog`")
	}
	sort.Strings(found)
	return filepath.Dir(found[len(found)-1]), nil
}

// startCluster makes a cluster in dir, unless there is one, and starts it.
func startCluster(ctx context.Context, dir string) (*cluster, error) {
	bin, err := postgresBin()
	if err != nil {
		return nil, err
	}
	c := &cluster{bin: bin, dir: dir}
	if c.port, err = freePort(); err != nil {
		return nil, err
	}
	owner, err := postgresUser()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "pg")
	if owner != nil {
		if err := os.Chown(dir, int(owner.Uid), int(owner.Gid)); err != nil {
			return nil, err
		}
	}
	if _, err := os.Stat(filepath.Join(data, "PG_VERSION")); err != nil {
		cmd := c.as(owner, exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-A", "trust", "-U", "postgres",
			"-E", "UTF8", "--locale=C.UTF-8", "--no-instructions"))
		if _, _, _, err := run(cmd); err != nil {
			return nil, err
		}
	}
	args := []string{"-D", data}
	for _, s := range c.settings() {
		args = append(args, "-c", s)
	}
	if c.server, err = start(dir, c.as(owner, exec.Command(filepath.Join(bin, "postgres"), args...))); err != nil {
		return nil, err
	}
	return c, c.server.ready(ctx, func() bool {
		return exec.Command(filepath.Join(bin, "pg_isready"), "-q", "-h", "127.0.0.1", "-p", strconv.Itoa(c.port)).Run() == nil
	})
}

// postgresUser is whom root hands the server to, which refuses to run as root; nil for everybody else.
func postgresUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}

func (c *cluster) as(owner *syscall.Credential, cmd *exec.Cmd) *exec.Cmd {
	cmd.Dir = c.dir
	if owner != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	}
	return cmd
}

// env are the variables by which clients of PostgreSQL find a database.
func (c *cluster) env(db string) []string {
	return append(os.Environ(), "PGHOST=127.0.0.1", "PGPORT="+strconv.Itoa(c.port), "PGUSER=postgres", "PGPASSWORD=none", "PGDATABASE="+db)
}

func (c *cluster) url(db string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", c.port, db)
}

// sql runs statements through psql, each in a transaction of its own, and returns what they print, columns split by |.
func (c *cluster) sql(ctx context.Context, db string, statements ...string) (string, error) {
	args := []string{"-XqAt", "-v", "ON_ERROR_STOP=1"}
	for _, s := range statements {
		args = append(args, "-c", s)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, "psql"), args...)
	cmd.Env = c.env(db)
	out, _, _, err := run(cmd)
	return out, err
}

func (c *cluster) stop() {
	if c != nil {
		c.server.stop(syscall.SIGINT)
	}
}
