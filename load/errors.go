package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

// A CloseError is a close frame of the server's (RFC 6455 section 5.5.1).
type CloseError struct {
	Code   int    // 1005 when the frame had none
	Reason string // as the server wrote it
}

func (e *CloseError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("closed with %d", e.Code)
	}
	return fmt.Sprintf("closed with %d %s", e.Code, e.Reason)
}

// A RefusedError is an answer other than 101 to a request for an upgrade.
type RefusedError struct {
	Status string // such as "503 Service Unavailable"
}

func (e *RefusedError) Error() string { return "refused with " + e.Status }

// errWrongMessage says that what came out of a channel is not what went in.
var errWrongMessage = errors.New("wrong message")

// Kind names what went wrong, in so few words that errors can be counted by it: a close code with its reason, an HTTP status,
// or what became of the connection.
func Kind(err error) string {
	closed, isClose := errors.AsType[*CloseError](err)
	refused, isRefusal := errors.AsType[*RefusedError](err)
	var number syscall.Errno
	switch {
	case err == nil:
		return ""
	case isClose:
		return closed.Error()
	case isRefusal:
		return refused.Error()
	case errors.Is(err, errWrongMessage):
		return errWrongMessage.Error()
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return "ended without a close frame"
	case errors.As(err, &number):
		return number.Error()
	}
	return err.Error()
}
