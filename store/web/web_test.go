package web_test

import (
	"bytes"
	"context"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
	"github.com/terrapin-eo/terrapin/store/mem"
	"github.com/terrapin-eo/terrapin/store/storetest"
	"github.com/terrapin-eo/terrapin/store/web"
)

// behind writes past the web server and reads through it, so that the suite of all drivers holds for reads.
type behind struct {
	*mem.Driver
	front *web.Driver
}

func (b behind) Get(ctx context.Context, key string, r store.Range) (io.ReadCloser, store.Info, error) {
	return b.front.Get(ctx, key, r)
}

func (b behind) Stat(ctx context.Context, key string) (store.Info, error) {
	return b.front.Stat(ctx, key)
}

func (b behind) List(ctx context.Context, prefix string) iter.Seq2[store.Info, error] {
	return b.Driver.List(ctx, prefix)
}

func TestConformance(t *testing.T) {
	storetest.Run(t, storetest.Config{New: func(t *testing.T) store.Driver {
		objects := mem.New()
		front := serve(t, func(w http.ResponseWriter, r *http.Request) {
			body, info, err := objects.Get(r.Context(), strings.TrimPrefix(r.URL.Path, "/below/"), store.Range{})
			if err != nil {
				http.NotFound(w, r)
				return
			}
			data, _ := io.ReadAll(body)
			w.Header().Set("ETag", `"`+info.ETag+`"`)
			http.ServeContent(w, r, "", info.Modified, bytes.NewReader(data))
		})
		return behind{objects, front}
	}})
}

func serve(t *testing.T, h http.HandlerFunc) *web.Driver {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	d, err := web.New(server.URL + "/below/")
	require.NoError(t, err)
	return d
}

// TestAnswersThatBringNoObject: only 404 says that there is none, and no other bytes are taken for those asked for.
func TestAnswersThatBringNoObject(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   fault.Kind
	}{
		{"404", http.NotFound, fault.NotFound},
		{"redirect", http.RedirectHandler("/elsewhere", http.StatusFound).ServeHTTP, fault.Unsupported},
		{"not allowed", status(http.StatusForbidden), fault.Precondition},
		{"gateway", status(http.StatusBadGateway), fault.Unavailable},
		{"busy", status(http.StatusTooManyRequests), fault.Unavailable},
		{"whole object", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "0123456789") }, fault.Unsupported},
		{"another range", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-3/10")
			w.WriteHeader(http.StatusPartialContent)
			io.WriteString(w, "0123")
		}, fault.Corrupt},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 2-5/10")
			w.Header().Set("Content-Length", "4")
			w.WriteHeader(http.StatusPartialContent)
			io.WriteString(w, "23")
		}, fault.Unavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := store.New(serve(t, c.answer), "http://web")
			_, _, err := b.Read(t.Context(), "k", store.Range{Offset: 2, Length: 4})
			require.Equal(t, c.want, fault.KindOf(err), "%v", err)
		})
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func TestNothingIsWrittenOrListed(t *testing.T) {
	b := store.New(serve(t, status(http.StatusOK)), "http://web")
	_, err := b.Write(t.Context(), "k", nil, store.Condition{})
	require.Equal(t, fault.Unsupported, fault.KindOf(err))
	require.Equal(t, fault.Unsupported, fault.KindOf(b.Delete(t.Context(), "k")))
	for _, err := range b.List(t.Context(), "") {
		require.Equal(t, fault.Unsupported, fault.KindOf(err))
	}
}

func TestBadAddresses(t *testing.T) {
	for _, bad := range []string{"", "localhost:8080", "ftp://host/", "http:///x", "http://host/?q=1", "http://h ost"} {
		_, err := web.New(bad)
		require.Equal(t, fault.Invalid, fault.KindOf(err), bad)
	}
	d, err := web.New("http://127.0.0.1:1")
	require.NoError(t, err)
	_, _, err = d.Get(t.Context(), "k", store.Range{})
	require.Equal(t, fault.Unavailable, fault.KindOf(err))
}
