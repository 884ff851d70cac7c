package s3_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/s3"
	"github.com/terrapin-eo/terrapin/store/s3/s3test"
	"github.com/terrapin-eo/terrapin/store/storetest"
)

// open connects to a bucket by its URL.
func open(t *testing.T, raw string) *s3.Driver {
	t.Helper()
	at, err := s3.ParseLocation(raw, os.Getenv)
	require.NoError(t, err)
	d, err := s3.New(t.Context(), at)
	require.NoError(t, err)
	return d
}

func TestConformance(t *testing.T) {
	server := s3test.MinIO(t)
	server.Setenv(t)
	var made atomic.Int32
	storetest.Run(t, storetest.Config{WriteIDs: true, New: func(t *testing.T) store.Driver {
		return open(t, server.Bucket(t, "conformance-"+strconv.Itoa(int(made.Add(1)))))
	}})
}

// A gateway over a file system keeps everything but order under a race (probe finds that out).
func TestConformanceOnAGateway(t *testing.T) {
	server := s3test.Versitygw(t)
	server.Setenv(t)
	var made atomic.Int32
	storetest.Run(t, storetest.Config{WriteIDs: true, Racy: true, New: func(t *testing.T) store.Driver {
		return open(t, server.Bucket(t, "conformance-"+strconv.Itoa(int(made.Add(1)))))
	}})
}

// onlyReader hides what else a reader can do, so that its size is not known.
type onlyReader struct{ io.Reader }

// Objects over the limit of one PUT arrive whole, and a condition holds for them as for small ones: the
// store decides it when the whole object is there.
func TestLargeObjects(t *testing.T) {
	server := s3test.MinIO(t)
	server.Setenv(t)
	d := open(t, server.Bucket(t, "large"))
	d.SetLimits(6<<20, 5<<20, 40<<20)
	b := store.New(d, "s3://large")
	content := make([]byte, 17<<20)
	rand.Read(content)
	for name, body := range map[string]func() io.Reader{
		"known":   func() io.Reader { return bytes.NewReader(content) },
		"unknown": func() io.Reader { return onlyReader{bytes.NewReader(content)} },
	} {
		t.Run(name, func(t *testing.T) {
			for i, c := range []store.Condition{{}, {IfAbsent: true}} {
				key := name + strconv.Itoa(i)
				info, err := b.WriteFrom(t.Context(), key, body(), c)
				require.NoError(t, err)
				assert.EqualValues(t, len(content), info.Size)
				assert.Equal(t, i == 0, strings.Contains(info.ETag, "-"), "in parts only without a condition: ETag %s", info.ETag)
				got, read, err := b.Read(t.Context(), key, store.Range{})
				require.NoError(t, err)
				assert.Equal(t, info.ETag, read.ETag)
				assert.True(t, bytes.Equal(content, got))
				_, err = b.WriteFrom(t.Context(), key, body(), store.Condition{IfAbsent: true})
				assert.ErrorIs(t, err, store.ErrConflict)
				_, err = b.WriteFrom(t.Context(), key, body(), store.Condition{IfMatch: "other"})
				assert.ErrorIs(t, err, store.ErrConflict)
				_, err = b.WriteFrom(t.Context(), key, body(), store.Condition{IfMatch: info.ETag})
				assert.NoError(t, err)
			}
		})
	}
	d.SetLimits(6<<20, 5<<20, 10<<20)
	for _, body := range []io.Reader{bytes.NewReader(content), onlyReader{bytes.NewReader(content)}} {
		_, err := b.WriteFrom(t.Context(), "too-large", body, store.Condition{IfAbsent: true})
		assert.Equal(t, fault.TooLarge, fault.KindOf(err), "%v", err)
		assert.NotEmpty(t, fault.CureOf(err))
	}
	_, err := b.WriteFrom(t.Context(), "broken", io.MultiReader(bytes.NewReader(content), brokenBody{}), store.Condition{})
	assert.ErrorIs(t, err, io.ErrClosedPipe)
	_, err = b.Stat(t.Context(), "broken")
	assert.ErrorIs(t, err, store.ErrNotFound)
	client, err := server.Client()
	require.NoError(t, err)
	for rest := range client.ListIncompleteUploads(t.Context(), "large", "", true) {
		t.Errorf("an unfinished upload was left: %+v", rest)
	}
}

type brokenBody struct{}

func (brokenBody) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

// proxy stands between the driver and the server and spoils answers.
func proxy(t *testing.T, server *s3test.Server, spoil func(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc)) string {
	target, err := url.Parse(server.Endpoint)
	require.NoError(t, err)
	// The signature covers the host, so requests go on under the name the client signed.
	pass := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", target.Host, r.In.Host
	}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	front := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { spoil(w, r, pass.ServeHTTP) })}
	go front.Serve(l)
	t.Cleanup(func() { front.Close() })
	return "http://" + l.Addr().String()
}

// dropped does the request and loses the answer.
func dropped(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
	pass(&silent{header: http.Header{}}, r)
	hijack(w)
}

func hijack(w http.ResponseWriter) {
	c, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		c.Close()
	}
}

type silent struct{ header http.Header }

func (s *silent) Header() http.Header         { return s.header }
func (s *silent) Write(b []byte) (int, error) { return len(b), nil }
func (s *silent) WriteHeader(int)             {}

// A conditional write that landed while its answer was lost is known again by its write id, whether it is
// sent once more or not.
func TestLostAnswersOfConditionalWrites(t *testing.T) {
	server := s3test.MinIO(t)
	server.Setenv(t)
	server.Bucket(t, "lost")
	var lose, puts atomic.Int32
	at := proxy(t, server, func(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
		if r.Method == http.MethodPut {
			puts.Add(1)
			if lose.Add(-1) >= 0 {
				dropped(w, r, pass)
				return
			}
		}
		pass(w, r)
	})
	b := store.New(open(t, "s3://lost?endpoint="+at), "s3://lost")
	for _, losses := range []int32{1, 100} { // sent again and refused; never answered at all
		key := "k" + strconv.Itoa(int(losses))
		lose.Store(losses)
		first, err := b.Write(t.Context(), key, []byte("1"), store.Condition{IfAbsent: true})
		require.NoError(t, err)
		lose.Store(losses)
		second, err := b.Write(t.Context(), key, []byte("2"), store.Condition{IfMatch: first.ETag})
		require.NoError(t, err)
		lose.Store(losses)
		_, err = b.Write(t.Context(), key, []byte("3"), store.Condition{IfMatch: first.ETag})
		assert.Error(t, err, "another's object is not taken for one's own")
		lose.Store(0)
		data, info, err := b.Read(t.Context(), key, store.Range{})
		require.NoError(t, err)
		assert.Equal(t, "2", string(data))
		assert.Equal(t, second.ETag, info.ETag)
		assert.NotEmpty(t, info.WriteID)
	}
}

// Passing failures are sent again: 503, 409 of a conditional write, a connection that breaks in a body.
func TestPassingFailures(t *testing.T) {
	server := s3test.MinIO(t)
	server.Setenv(t)
	server.Bucket(t, "passing")
	var answer atomic.Int32
	var cut atomic.Bool
	at := proxy(t, server, func(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
		switch code := answer.Swap(0); {
		case code == 409:
			w.WriteHeader(409)
			io.WriteString(w, `<?xml version="1.0"?><Error><Code>ConditionalRequestConflict</Code><Message>try again</Message></Error>`)
		case code != 0:
			w.WriteHeader(int(code))
		case cut.Load() && r.Method == http.MethodGet && cut.Swap(false):
			pass(&half{ResponseWriter: w, left: 300_000}, r)
		default:
			pass(w, r)
		}
	})
	b := store.New(open(t, "s3://passing?endpoint="+at), "s3://passing")
	content := make([]byte, 1<<20)
	rand.Read(content)
	for _, code := range []int32{503, 500, 429} {
		answer.Store(code)
		_, err := b.Write(t.Context(), "k", content, store.Condition{})
		require.NoError(t, err, "%d", code)
		answer.Store(code)
		_, err = b.Stat(t.Context(), "k")
		require.NoError(t, err, "%d", code)
	}
	answer.Store(409)
	_, err := b.Write(t.Context(), "new", content, store.Condition{IfAbsent: true})
	require.NoError(t, err)
	for _, r := range []store.Range{{}, {Offset: 1000}, {Offset: 500, Length: 900_000}} {
		cut.Store(true)
		got, _, err := b.Read(t.Context(), "k", r)
		require.NoError(t, err)
		assert.False(t, cut.Load())
		want := content[r.Offset:]
		if r.Length > 0 {
			want = want[:r.Length]
		}
		assert.True(t, bytes.Equal(want, got), "%+v", r)
	}
}

// half lets some bytes of a body through and then breaks the connection.
type half struct {
	http.ResponseWriter
	left int
}

func (h *half) Write(b []byte) (int, error) {
	if len(b) > h.left {
		h.ResponseWriter.Write(b[:h.left])
		panic(http.ErrAbortHandler)
	}
	h.left -= len(b)
	return h.ResponseWriter.Write(b)
}

func (h *half) Unwrap() http.ResponseWriter { return h.ResponseWriter }

// What is wrong with a place is told at once, with a cure, and never with a secret.
func TestWrongPlaces(t *testing.T) {
	server := s3test.MinIO(t)
	server.Bucket(t, "there")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	silence := "http://" + l.Addr().String() // nothing accepts here
	l.Close()
	for _, c := range []struct {
		name, url string
		env       map[string]string
		kind      fault.Kind
		says      string
	}{
		{"no such bucket", "s3://absent?endpoint=" + server.Endpoint, nil, fault.Precondition, "no bucket"},
		{"unknown key", "s3://there?endpoint=" + server.Endpoint, map[string]string{"AWS_ACCESS_KEY_ID": "AKNOBODY"}, fault.Precondition, "credentials"},
		{"wrong secret", "s3://there?endpoint=" + server.Endpoint, map[string]string{"AWS_SECRET_ACCESS_KEY": "wrong-secret-0123"}, fault.Precondition, "credentials"},
		{"no credentials", "s3://there?endpoint=" + server.Endpoint, map[string]string{"AWS_ACCESS_KEY_ID": ""}, fault.Precondition, "no credentials"},
		{"unknown profile", "s3://there?profile=nobody&endpoint=" + server.Endpoint, nil, fault.Precondition, "profile nobody"},
		{"anonymous", "s3://there?anonymous=true&endpoint=" + server.Endpoint, nil, fault.Precondition, "does not allow"},
		{"nobody answers", "s3://there?endpoint=" + silence, nil, fault.Unavailable, silence},
		{"TLS where there is none", "s3://there?endpoint=" + strings.Replace(server.Endpoint, "http:", "https:", 1), nil, fault.Unavailable, "endpoint"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server.Setenv(t)
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			at, err := s3.ParseLocation(c.url, os.Getenv)
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			_, err = s3.New(ctx, at)
			require.Error(t, err)
			assert.Equal(t, c.kind, fault.KindOf(err), "%v", err)
			assert.Contains(t, fault.Text(err), c.says)
			assert.NotEmpty(t, fault.CureOf(err))
			for _, secret := range []string{server.SecretKey, "wrong-secret-0123"} {
				assert.NotContains(t, fault.Text(err), secret)
			}
		})
	}
}

// Credentials come from the shared files of AWS too.
func TestCredentialFiles(t *testing.T) {
	server := s3test.MinIO(t)
	server.Setenv(t)
	raw := server.Bucket(t, "files")
	keys := "aws_access_key_id = " + server.AccessKey + "\naws_secret_access_key = " + server.SecretKey + "\n"
	dir := t.TempDir()
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", write("credentials", "[default]\n"+keys+"[eo]\n"+keys))
	open(t, raw)
	open(t, raw+"&profile=eo")
	t.Setenv("AWS_PROFILE", "eo")
	open(t, raw)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	t.Setenv("AWS_CONFIG_FILE", write("config", "[profile eo]\n"+keys))
	open(t, raw)
}

func TestStoreClock(t *testing.T) {
	server := s3test.MinIO(t)
	server.Setenv(t)
	server.Bucket(t, "clock")
	at := proxy(t, server, func(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
		pass(&dated{ResponseWriter: w, by: 20 * time.Minute}, r)
	})
	assert.InDelta(t, (20 * time.Minute).Seconds(), open(t, "s3://clock?endpoint="+at).Skew().Seconds(), 3)
	assert.InDelta(t, 0, open(t, "s3://clock?endpoint="+server.Endpoint).Skew().Seconds(), 3)
}

// dated answers with another time.
type dated struct {
	http.ResponseWriter
	by time.Duration
}

func (d *dated) WriteHeader(code int) {
	d.Header().Set("Date", time.Now().Add(d.by).UTC().Format(http.TimeFormat))
	d.ResponseWriter.WriteHeader(code)
}
