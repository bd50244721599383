package mooring

import (
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// FailureType names a kind of failure. A name never changes its meaning, and a later Mooring may have more of them. It is an error for
// errors.Is alone: what is returned is an *Error.
type FailureType string

// Error says the name.
func (t FailureType) Error() string { return string(t) }

// Code is the gRPC code that a CSI driver answers with; Internal for a type that is not known here.
func (t FailureType) Code() codes.Code { return rowOf(t).code }

// Retryable says whether a later attempt may succeed without anyone's help.
func (t FailureType) Retryable() bool { return rowOf(t).retryable }

// Advice says what to do next.
func (t FailureType) Advice() string { return rowOf(t).advice }

// row is what Mooring knows of a failure type; of is the more general type that it belongs to, if there is one.
type row struct {
	code      codes.Code
	of        FailureType
	retryable bool
	advice    string
}

// Error says why there is no result: what happened, to which volume and node, and what to do next. It is a gRPC status, so the method of a
// CSI server may return it as it is.
type Error struct {
	Type    FailureType
	Message string
	cause   error
}

// Error gives the message.
func (e *Error) Error() string { return e.Message }

// Unwrap gives what Temporal said.
func (e *Error) Unwrap() error { return e.cause }

// Is says whether it is of that failure type, or of one that belongs to it.
func (e *Error) Is(target error) bool {
	asked, named := target.(FailureType)
	for kind := e.Type; named && kind != ""; kind = rowOf(kind).of {
		if kind == asked {
			return true
		}
	}
	return false
}

// GRPCStatus gives the status with which a gRPC server answers.
func (e *Error) GRPCStatus() *status.Status { return status.New(e.Type.Code(), e.Message) }

// failureOf is the error for the end of a run, in the run's own words, or for the lack of an answer.
// late says that the caller's time is up; pending, once Temporal has answered, what goes on meanwhile.
func failureOf(asked operation, err error, late bool, pending string) *Error {
	var failed *temporal.ApplicationError
	var ended *temporal.WorkflowExecutionError
	var invalid *serviceerror.InvalidArgument
	switch {
	case errors.As(err, &failed):
		return failure(FailureType(failed.Type()), failed.Message(), err)
	case temporal.IsCanceledError(err):
		return failure(OperationCancelled, fmt.Sprintf("%s was cancelled.", asked.what), err)
	case temporal.IsTerminatedError(err):
		return failure(OperationTerminated, fmt.Sprintf("%s was terminated.", asked.what), err)
	case temporal.IsTimeoutError(err):
		return failure(WorkerUnavailable, fmt.Sprintf("%s ran out of time: no worker has answered.", asked.what), err)
	case errors.As(err, &ended):
		return failure("", fmt.Sprintf("%s failed: %v.", asked.what, err), err)
	case errors.As(err, &invalid):
		return failure(InvalidRequest, fmt.Sprintf("%s was refused by Temporal: %v.", asked.what, err), err)
	case late && pending != "":
		return failure(OperationPending, fmt.Sprintf("%s had no answer in time; %s.", asked.what, pending), err)
	default:
		return failure(TemporalUnavailable, fmt.Sprintf("%s could not be requested from Temporal: %v.", asked.what, err), err)
	}
}

// failure is an error with the advice on its type, which a message from a worker has already.
func failure(kind FailureType, message string, cause error) *Error {
	if advice := kind.Advice(); !strings.Contains(message, advice) {
		message += " " + advice
	}
	return &Error{Type: kind, Message: message, cause: cause}
}
