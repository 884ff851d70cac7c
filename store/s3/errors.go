package s3

import (
	"context"
	"errors"
	"net/http"

	"github.com/minio/minio-go/v7"

	"github.com/terrapin-eo/terrapin/fault"
	"github.com/terrapin-eo/terrapin/store"
)

// codeConditionalConflict says that another conditional write of the key was under way.
const codeConditionalConflict = "ConditionalRequestConflict"

// explain turns what the store or the network said into a kind and a cure.
func (d *Driver) explain(ctx context.Context, err error) error {
	if ctxErr := ctx.Err(); ctxErr != nil {
		return ctxErr
	}
	var known *fault.Error
	if errors.As(err, &known) { // such as that there are no credentials
		return err
	}
	var said minio.ErrorResponse
	if !errors.As(err, &said) {
		return fault.New(fault.Unavailable, "no answer from %s: %w", d.at.Endpoint, err).
			WithCure("check that endpoint= is the store's address (http:// or https://), that it runs, and that this machine reaches it")
	}
	switch said.Code {
	case "NoSuchKey":
		return store.ErrNotFound
	case "PreconditionFailed", codeConditionalConflict:
		return store.ErrConflict
	case "InvalidRange":
		return fault.New(fault.Invalid, "%s: %w", said.Message, store.ErrRange)
	case "NoSuchBucket":
		return fault.New(fault.Precondition, "there is no bucket %q at %s", d.at.Bucket, d.at.Endpoint).
			WithCure("check the name and the endpoint, or make the bucket with the store's own tools; terrapin makes none")
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId":
		return fault.New(fault.Precondition, "%s does not take the credentials: %s", d.at.Endpoint, said.Code).
			WithCure("check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), or the profile, for this endpoint")
	case "AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException":
		return fault.New(fault.Invalid, "bucket %q is not in this region: %s", d.at.Bucket, said.Message).
			WithCure("give the bucket's own region with region=… in the URL or AWS_REGION")
	case "RequestTimeTooSkewed":
		return fault.New(fault.Precondition, "this machine's clock differs too much from that of %s", d.at.Endpoint).WithCure("set the clock (NTP)")
	case "EntityTooLarge":
		return fault.New(fault.TooLarge, "the store refuses an object of this size: %s", said.Message)
	case "XMinioStorageFull", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded":
		return fault.New(fault.Unavailable, "the store is full: %s", said.Code).WithCure("free space or raise the quota, and do it again; this write left nothing behind")
	}
	return d.byStatus(said)
}

func (d *Driver) byStatus(said minio.ErrorResponse) error {
	switch said.StatusCode {
	case http.StatusNotFound:
		return store.ErrNotFound
	case http.StatusPreconditionFailed:
		return store.ErrConflict
	case http.StatusRequestedRangeNotSatisfiable:
		return store.ErrRange
	case http.StatusForbidden, http.StatusUnauthorized:
		return fault.New(fault.Precondition, "%s does not allow it: %s", d.at.Endpoint, said.Code).
			WithCure("give these credentials the rights to get, put, list and delete below %s", d.at.String())
	case http.StatusNotImplemented:
		return fault.New(fault.Unsupported, "the store does not build this: %s %s", said.Code, said.Message).
			WithCure("use another store; `terrapin store doctor` says what is amiss")
	}
	if said.StatusCode >= 500 || said.StatusCode == http.StatusTooManyRequests {
		return fault.New(fault.Unavailable, "%s answered %d %s, %d times", d.at.Endpoint, said.StatusCode, said.Code, attempts).
			WithCure("try again later; look at the store")
	}
	return fault.New(fault.Internal, "%s answered %d %s: %s", d.at.Endpoint, said.StatusCode, said.Code, said.Message)
}
