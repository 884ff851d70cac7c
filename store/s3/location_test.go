package s3_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store/s3"
)

func TestLocations(t *testing.T) {
	env := map[string]string{}
	lookup := func(name string) string { return env[name] }
	parse := func(raw string) s3.Location {
		at, err := s3.ParseLocation(raw, lookup)
		require.NoError(t, err)
		return at
	}
	aws := parse("s3://my-bucket/a/b/")
	assert.Equal(t, s3.Location{Bucket: "my-bucket", Prefix: "a/b", Endpoint: "https://s3.amazonaws.com"}, aws)
	assert.Equal(t, "s3://my-bucket/a/b", aws.String())
	local := parse("s3://my-bucket?endpoint=http://127.0.0.1:9000/&region=eu-x")
	assert.Equal(t, s3.Location{Bucket: "my-bucket", Endpoint: "http://127.0.0.1:9000", Region: "eu-x", PathStyle: true}, local)
	assert.NotEqual(t, parse("s3://my-bucket/a/b?endpoint=http://other:1").Identity(), aws.Identity())
	assert.Equal(t, "us-east-1", parse("s3://b-b-b?endpoint=http://127.0.0.1:9000").Region)
	assert.False(t, parse("s3://b-b-b?endpoint=http://h:1&path_style=false").PathStyle)
	env["AWS_ENDPOINT_URL"], env["AWS_DEFAULT_REGION"] = "https://minio.example:9000", "r1"
	assert.Equal(t, s3.Location{Bucket: "my-bucket", Endpoint: "https://minio.example:9000", Region: "r1", PathStyle: true}, parse("s3://my-bucket"))
	env["AWS_ENDPOINT_URL_S3"], env["AWS_REGION"] = "https://s3.example", "r2"
	assert.Equal(t, s3.Location{Bucket: "my-bucket", Endpoint: "https://s3.example", Region: "r2", PathStyle: true, Anonymous: true, Profile: "p"},
		parse("s3://my-bucket?anonymous=true&profile=p"))
}

func TestBadLocations(t *testing.T) {
	for _, raw := range []string{
		"s3://", "s3:///prefix", "s3://b", "s3://Bad_Bucket", "s3://user:hunter2@bucket", "s3://bucket:9000", "s3://bucket?endpoint=127.0.0.1:9000",
		"s3://bucket?endpoint=http://user:hunter2@h:1", "s3://bucket?endpoint=ftp://h", "s3://bucket?endpoint=http://h/path", "s3://bucket?secret_key=hunter2",
		"s3://bucket?path_style=maybe", "s3://bucket/a//b", "s3://bucket/../b", "s3://bucket?x=%zz", "s3://bucket#frag", "http://bucket",
		"s3://bucket/%zz", "s3://buc ket",
	} {
		_, err := s3.ParseLocation(raw, func(string) string { return "" })
		require.Error(t, err, raw)
		assert.Equal(t, fault.Invalid, fault.KindOf(err), raw)
		assert.NotEmpty(t, fault.CureOf(err), raw)
		assert.NotContains(t, fault.Text(err), "hunter2", "%s", raw)
	}
}
