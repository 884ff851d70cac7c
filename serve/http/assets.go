package http

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/serve/reply"
	"github.com/terrapin-eo/terrapin/store"
)

// committed are the folders of things that exist from when their commit.json does, with the number of
// names that lead to it.
var committed = map[string]int{"labels": 2, "datasets": 2, "models": 1, "predictions": 1}

// unchanging matches the objects of a cube's repository that are never written twice.
var unchanging = regexp.MustCompile(`^cubes/[^/]+/(chunks|manifests|snapshots|transactions)/`)

// types are media types by a name's ending, where the system may not know them.
var types = map[string]string{
	".json": reply.JSON, ".geojson": reply.GeoJSON, ".parquet": "application/vnd.apache.parquet",
	".tif": "image/tiff; application=geotiff; profile=cloud-optimized", ".yaml": "application/yaml", ".png": "image/png",
	".html": "text/plain; charset=utf-8", // an object is no page of ours
}

// asset serves an object of the bucket, whole or in ranges: only what belongs to something that
// exists, and never a listing.
func (s *server) asset(w http.ResponseWriter, r *http.Request) error {
	key, ok := strings.CutPrefix(r.URL.Path, "/assets/")
	if !ok {
		return s.noAsset(key)
	}
	names := strings.Split(key, "/")
	immutable := true
	if names[0] == "cubes" {
		if len(names) == 2 && names[1] != "" {
			http.Redirect(w, r, reply.Base(r)+"/collections/"+url.PathEscape(names[1]), http.StatusSeeOther)
			return nil
		}
		immutable = unchanging.MatchString(key)
	} else {
		deep, known := committed[names[0]]
		if !known || len(names) < deep+2 || slices.Contains(names, "") {
			return s.noAsset(key)
		}
		if _, err := s.Root.Stat(r.Context(), path.Join(names[:deep+1]...)+"/commit.json"); err != nil {
			return s.missing(key, err)
		}
	}
	info, err := s.Root.Stat(r.Context(), key)
	if fault.Is(err, fault.NotFound) {
		// A Zarr array or group is a folder: whoever follows its href gets to what describes it.
		if _, err := s.Root.Stat(r.Context(), key+"/zarr.json"); err == nil {
			http.Redirect(w, r, reply.Base(r)+(&url.URL{Path: r.URL.Path}).EscapedPath()+"/zarr.json", http.StatusSeeOther)
			return nil
		}
	}
	if err != nil {
		return s.missing(key, err)
	}
	h := w.Header()
	h.Set("ETag", `"`+strings.Trim(info.ETag, `"`)+`"`)
	h.Set("Content-Type", typeOf(key))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache")
	if immutable {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	body := &object{ctx: r.Context(), bucket: s.Root, info: info}
	defer body.Close()
	s.serveRanges(w, r, info, body)
	return nil
}

// missing hides why an object cannot be had unless the reason may pass.
func (s *server) missing(key string, err error) error {
	switch fault.KindOf(err) {
	case fault.NotFound, fault.Invalid:
		return s.noAsset(key)
	}
	return err
}

func (s *server) noAsset(key string) error {
	return fault.New(fault.NotFound, "there is no asset %q", key).WithCure("take hrefs from the items and collections of this API")
}

func typeOf(key string) string {
	ext := strings.ToLower(path.Ext(key))
	if t := types[ext]; t != "" {
		return t
	}
	if t := mime.TypeByExtension(ext); t != "" && ext != "" && !strings.Contains(t, "html") && !strings.Contains(t, "svg") {
		return t
	}
	return "application/octet-stream"
}

// object reads one state of an object, from wherever it was sought to.
type object struct {
	ctx    context.Context
	bucket *store.Bucket
	info   store.Info
	at     int64
	body   io.ReadCloser
}

func (o *object) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += o.at
	case io.SeekEnd:
		offset += o.info.Size
	}
	if offset < 0 {
		return 0, errors.New("sought before the beginning")
	}
	if offset != o.at {
		o.Close()
		o.at = offset
	}
	return offset, nil
}

func (o *object) Read(p []byte) (int, error) {
	if o.at >= o.info.Size {
		return 0, io.EOF
	}
	if o.body == nil {
		body, info, err := o.bucket.Open(o.ctx, o.info.Key, store.Range{Offset: o.at})
		if err != nil {
			return 0, err
		}
		o.body = body
		if info.ETag != o.info.ETag {
			return 0, fault.New(fault.Conflict, "%s was written anew while it was read", o.info.Key)
		}
	}
	n, err := o.body.Read(p)
	o.at += int64(n)
	return n, err
}

// Close gives up the open body, if there is one.
func (o *object) Close() {
	if o.body != nil {
		o.body.Close()
		o.body = nil
	}
}
