// Package s3test runs real S3 servers for tests: MinIO, whose conditional writes are right, and versitygw,
// which loses some. It owns their processes, which end with the test, and refuses to run without the
// programs that `.ci/setup servers` builds: tests skip then. They are never linked.
package s3test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"
)

// Server is a running S3 server with credentials of its own.
type Server struct {
	// Endpoint is its address, http://127.0.0.1:port.
	Endpoint             string
	AccessKey, SecretKey string
}

// startPatience is how long a server may take to answer; a busy machine is slow.
const startPatience = 60 * time.Second

// MinIO starts the program that TERRAPIN_MINIO names, and stops it with the test.
func MinIO(t testing.TB) *Server {
	t.Helper()
	return start(t, "TERRAPIN_MINIO", func(s *Server, bin, addr, dir string) *exec.Cmd {
		cmd := exec.Command(bin, "server", "--quiet", "--address", addr, dir)
		cmd.Env = append(os.Environ(), "MINIO_UPDATE=off", "MINIO_BROWSER=off", "MINIO_ROOT_USER="+s.AccessKey, "MINIO_ROOT_PASSWORD="+s.SecretKey)
		return cmd
	})
}

// Versitygw starts the program that TERRAPIN_VERSITYGW names, and stops it with the test.
func Versitygw(t testing.TB) *Server {
	t.Helper()
	return start(t, "TERRAPIN_VERSITYGW", func(s *Server, bin, addr, dir string) *exec.Cmd {
		cmd := exec.Command(bin, "--port", addr, "--region", "us-east-1", "--quiet", "posix", dir)
		cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s.AccessKey, "ROOT_SECRET_KEY="+s.SecretKey)
		return cmd
	})
}

func start(t testing.TB, env string, command func(s *Server, bin, addr, dir string) *exec.Cmd) *Server {
	t.Helper()
	bin := os.Getenv(env)
	if bin == "" {
		t.Skipf("no %s: `.ci/setup servers` builds the S3 servers that tests need", env)
	}
	s := &Server{AccessKey: "AK" + rand.Text()[:14], SecretKey: rand.Text()}
	for range 3 { // another process may take the port between its choice and its use
		addr := freePort(t)
		s.Endpoint = "http://" + addr
		dir := filepath.Join(t.TempDir(), "data")
		require.NoError(t, os.MkdirAll(dir, 0o755))
		if s.launch(t, command(s, bin, addr, dir)) {
			return s
		}
	}
	t.Fatalf("%s does not start", bin)
	return nil
}

// launch starts the server and waits until it answers; false means that it ended.
func (s *Server) launch(t testing.TB, cmd *exec.Cmd) bool {
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started, ended := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread() // the death signal follows the thread that started the process
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // it is killed
		}
		close(ended)
	}()
	require.NoError(t, <-started)
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	patience := time.NewTimer(startPatience)
	defer patience.Stop()
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		select {
		case <-ended:
			t.Logf("server ended: %s", log.String())
			return false
		case <-patience.C:
			t.Fatalf("server at %s did not answer within %s", s.Endpoint, startPatience)
		case <-tick.C:
			if s.ready() {
				tick.Stop()
				return true
			}
		}
	}
}

// ready asks for the list of buckets, which a server answers last of all things.
func (s *Server) ready() bool {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	client, err := s.Client()
	if err != nil {
		return false
	}
	_, err = client.ListBuckets(ctx)
	return err == nil
}

func freePort(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// Client is a plain client of the server.
func (s *Server) Client() (*minio.Client, error) {
	u, err := url.Parse(s.Endpoint)
	if err != nil {
		return nil, err
	}
	return minio.New(u.Host, &minio.Options{
		Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""), Region: "us-east-1", MaxRetries: 1,
		Transport: &http.Transport{MaxIdleConnsPerHost: 8},
	})
}

// Bucket makes a bucket and returns its URL, s3://name?endpoint=….
func (s *Server) Bucket(t testing.TB, name string) string {
	t.Helper()
	client, err := s.Client()
	require.NoError(t, err)
	require.NoError(t, client.MakeBucket(context.Background(), name, minio.MakeBucketOptions{Region: "us-east-1"}))
	return fmt.Sprintf("s3://%s?endpoint=%s", name, s.Endpoint)
}

// Env is what a process needs to reach the server: its credentials, and nothing of this machine's own.
func (s *Server) Env() map[string]string {
	return map[string]string{
		"AWS_ACCESS_KEY_ID": s.AccessKey, "AWS_SECRET_ACCESS_KEY": s.SecretKey, "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		"AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_S3": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": "",
	}
}

// Setenv puts Env into this process for the time of a test.
func (s *Server) Setenv(t testing.TB) {
	t.Helper()
	for name, value := range s.Env() {
		t.Setenv(name, value)
	}
}
