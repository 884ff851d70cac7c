package s3

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/s3utils"

	"github.com/terrapin-eo/terrapin/fault"
)

// awsEndpoint is where buckets are without endpoint=.
const awsEndpoint = "https://s3.amazonaws.com"

// Location says where a bucket is. It holds no credential.
type Location struct {
	Bucket string
	// Prefix is "" or a path without slashes at its ends.
	Prefix string
	// Endpoint is the store's address, http://host:port or https://host:port.
	Endpoint string
	// Region is that of the bucket; "" asks AWS, and is us-east-1 anywhere else.
	Region string
	// PathStyle puts the bucket's name in the path of requests instead of the host.
	PathStyle bool
	// Anonymous signs nothing: a public bucket.
	Anonymous bool
	// Profile names a section of the shared AWS files; "" takes the usual one.
	Profile string
}

const urlCure = "write it like s3://bucket/prefix?endpoint=https://host:port&region=us-east-1; credentials belong into the environment or the AWS files"

func badURL(format string, args ...any) error {
	return fault.New(fault.Invalid, "S3 URL: "+format, args...).WithCure(urlCure)
}

// ParseLocation reads s3://bucket/prefix?endpoint=…&region=…&path_style=…&anonymous=…&profile=…. What the URL
// leaves out comes from AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_REGION and AWS_DEFAULT_REGION, through
// env. Errors never repeat the URL, which may hold a secret by mistake.
func ParseLocation(raw string, env func(string) string) (Location, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Scheme != "s3":
		return Location{}, badURL("it does not parse")
	case u.User != nil:
		return Location{}, badURL("it holds a user or a password, which would end in logs")
	case u.Port() != "" || u.Fragment != "":
		return Location{}, badURL("what follows s3:// is the name of a bucket; the store's address is endpoint=")
	}
	l := Location{Bucket: u.Hostname(), Prefix: strings.Trim(u.Path, "/")}
	if err := s3utils.CheckValidBucketNameStrict(l.Bucket); err != nil {
		return Location{}, badURL("bucket %q: %v", l.Bucket, err)
	}
	for _, part := range strings.Split(l.Prefix, "/") {
		if l.Prefix != "" && (part == "" || part == "." || part == "..") {
			return Location{}, badURL("prefix %q has an empty part or dots", l.Prefix)
		}
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Location{}, badURL("what follows the ? does not parse")
	}
	l.Endpoint = first(query.Get("endpoint"), env("AWS_ENDPOINT_URL_S3"), env("AWS_ENDPOINT_URL"), awsEndpoint)
	l.Region, l.Profile = first(query.Get("region"), env("AWS_REGION"), env("AWS_DEFAULT_REGION")), query.Get("profile")
	if err := l.checkEndpoint(); err != nil {
		return Location{}, err
	}
	if l.Region == "" && !l.aws() {
		l.Region = "us-east-1"
	}
	l.PathStyle = !l.aws()
	for key := range query {
		switch key {
		case "endpoint", "region", "profile":
		case "path_style":
			l.PathStyle, err = strconv.ParseBool(query.Get(key))
		case "anonymous":
			l.Anonymous, err = strconv.ParseBool(query.Get(key))
		default:
			return Location{}, badURL("%q is none of endpoint, region, path_style, anonymous, profile", key)
		}
		if err != nil {
			return Location{}, badURL("%s is true or false", key)
		}
	}
	return l, nil
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

func (l *Location) checkEndpoint() error {
	u, err := url.Parse(l.Endpoint)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return badURL("the endpoint is no address that begins with http:// or https://")
	}
	if u.User != nil {
		return badURL("the endpoint holds a user or a password, which would end in logs")
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return badURL("the endpoint has a path; a store's address is scheme, host and port")
	}
	l.Endpoint = u.Scheme + "://" + u.Host
	return nil
}

func (l Location) aws() bool {
	u, err := url.Parse(l.Endpoint)
	return err == nil && s3utils.IsAmazonEndpoint(*u)
}

func (l Location) host() string {
	_, host, _ := strings.Cut(l.Endpoint, "://")
	return host
}

func (l Location) secure() bool { return strings.HasPrefix(l.Endpoint, "https://") }

func (l Location) lookup() minio.BucketLookupType {
	if l.PathStyle {
		return minio.BucketLookupPath
	}
	return minio.BucketLookupDNS
}

// String is the place below which objects lie, s3://bucket/prefix: the name people and other programs use.
func (l Location) String() string {
	if l.Prefix == "" {
		return "s3://" + l.Bucket
	}
	return "s3://" + l.Bucket + "/" + l.Prefix
}

// Identity tells two places apart that have the same name at different stores.
func (l Location) Identity() string { return l.Endpoint + " " + l.String() }
