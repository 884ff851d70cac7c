package fault

import "google.golang.org/grpc/codes"

// wire is the one table from a kind to the two transports.
var wire = map[Kind]struct {
	http int
	grpc codes.Code
}{
	Internal:     {500, codes.Internal},
	Invalid:      {400, codes.InvalidArgument},
	NotFound:     {404, codes.NotFound},
	Conflict:     {409, codes.AlreadyExists},
	Precondition: {412, codes.FailedPrecondition},
	Corrupt:      {500, codes.DataLoss},
	Unavailable:  {503, codes.Unavailable},
	Canceled:     {499, codes.Canceled},
	TooLarge:     {413, codes.ResourceExhausted},
	Unsupported:  {501, codes.Unimplemented},
}

// HTTP returns the status code of a kind.
func (k Kind) HTTP() int { return wire[k].http }

// GRPC returns the status code of a kind.
func (k Kind) GRPC() codes.Code { return wire[k].grpc }
