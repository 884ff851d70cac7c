package s3

import (
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/terrapin-eo/terrapin/fault"
)

// chain finds credentials where AWS programs do, in their order: the environment, the shared files (with
// a profile, single sign-on and credential_process), then the role of the container or machine. Unlike
// the library's own it says so when there are none, instead of going on without.
type chain struct {
	profile string
	found   credentials.Provider
}

var _ credentials.Provider = (*chain)(nil)

// providers lists where to look. A profile that is named is meant: the environment is not asked first.
func (c *chain) providers() []credentials.Provider {
	var list []credentials.Provider
	if c.profile == "" {
		list = append(list, &credentials.EnvAWS{})
	}
	list = append(list, &credentials.FileAWSCredentials{Profile: c.profile})
	if !strings.EqualFold(os.Getenv("AWS_EC2_METADATA_DISABLED"), "true") {
		transport := &http.Transport{DialContext: (&net.Dialer{Timeout: time.Second}).DialContext, ResponseHeaderTimeout: 2 * time.Second}
		list = append(list, &credentials.IAM{Client: &http.Client{Transport: transport, Timeout: 5 * time.Second}})
	}
	return list
}

// Retrieve finds credentials.
func (c *chain) Retrieve() (credentials.Value, error) { return c.RetrieveWithCredContext(nil) }

// RetrieveWithCredContext finds credentials.
func (c *chain) RetrieveWithCredContext(cc *credentials.CredContext) (credentials.Value, error) {
	if cc == nil {
		cc = &credentials.CredContext{Client: http.DefaultClient}
	}
	for _, p := range c.providers() {
		value, err := p.RetrieveWithCredContext(cc)
		if err == nil && value.AccessKeyID != "" && value.SecretAccessKey != "" {
			c.found = p
			return value, nil
		}
	}
	where := "the environment, the shared AWS files and the role of this machine"
	if c.profile != "" {
		where = "profile " + c.profile + " of the shared AWS files and the role of this machine"
	}
	return credentials.Value{}, fault.New(fault.Precondition, "there are no credentials for the bucket in %s", where).
		WithCure("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or add anonymous=true to the URL for a public bucket")
}

// IsExpired reports whether credentials have to be found anew.
func (c *chain) IsExpired() bool { return c.found == nil || c.found.IsExpired() }
