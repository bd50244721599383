package main

import (
	"errors"
	"fmt"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// codeOf has a row for every failure type of mooring/errors.py, and Mooring's suite fails where the two differ.
var codeOf = map[string]codes.Code{
	"InvalidRequest":            codes.InvalidArgument,
	"VolumeNotFound":            codes.NotFound,
	"NodeNotFound":              codes.NotFound,
	"AttachLimitReached":        codes.ResourceExhausted,
	"Disputed":                  codes.FailedPrecondition,
	"HeldElsewhere":             codes.FailedPrecondition,
	"Incompatible":              codes.AlreadyExists,
	"DuplicateVolume":           codes.FailedPrecondition,
	"MalformedRecord":           codes.FailedPrecondition,
	"UntranslatableVolume":      codes.FailedPrecondition,
	"Contended":                 codes.Aborted,
	"OperationPending":          codes.Aborted,
	"ListOutdated":              codes.Aborted,
	"OperationCancelled":        codes.Aborted,
	"OperationTerminated":       codes.Aborted,
	"KubernetesForbidden":       codes.PermissionDenied,
	"RecordTooLarge":            codes.FailedPrecondition,
	"KubernetesRejected":        codes.Internal,
	"RecordAltered":             codes.Internal,
	"KubernetesUnavailable":     codes.Unavailable,
	"VolumeAwaited":             codes.Unavailable,
	"MigrationAwaited":          codes.Unavailable,
	"NotReconciled":             codes.NotFound,
	"NothingToApprove":          codes.NotFound,
	"BackendFailed":             codes.Internal,
	"BackendRefused":            codes.Internal,
	"BackendInvalidArgument":    codes.InvalidArgument,
	"BackendNotFound":           codes.NotFound,
	"BackendAlreadyExists":      codes.AlreadyExists,
	"BackendPermissionDenied":   codes.PermissionDenied,
	"BackendUnauthenticated":    codes.Unauthenticated,
	"BackendResourceExhausted":  codes.ResourceExhausted,
	"BackendFailedPrecondition": codes.FailedPrecondition,
	"BackendOutOfRange":         codes.OutOfRange,
	"BackendDataLoss":           codes.DataLoss,
	"BackendUnimplemented":      codes.Unimplemented,
	"SecretsNeeded":             codes.FailedPrecondition,
	"SecretsOutOfReach":         codes.FailedPrecondition,
	"SecretsAwaited":            codes.Unavailable,
	"BackendUncertain":          codes.Unavailable,
	"TemporalUnavailable":       codes.Unavailable,
	"UnreadableHistory":         codes.FailedPrecondition,
	"WorkerUnavailable":         codes.Unavailable,
}

// failureOf is the gRPC error for the end of a run, in the run's own words, or for the lack of an answer.
// late says that the caller's time is up; pending, once Temporal has answered, what goes on meanwhile.
func failureOf(asked operation, err error, late bool, pending string) error {
	var failed *temporal.ApplicationError
	var ended *temporal.WorkflowExecutionError
	var invalid *serviceerror.InvalidArgument
	switch {
	case errors.As(err, &failed):
		return failure(failed.Type(), failed.Message())
	case temporal.IsCanceledError(err):
		return failure("OperationCancelled", fmt.Sprintf("%s was cancelled. Ask again if the operation is still wanted.", asked))
	case temporal.IsTerminatedError(err):
		return failure("OperationTerminated", fmt.Sprintf("%s was terminated. Ask again, or unpublish the volume.", asked))
	case temporal.IsTimeoutError(err):
		return failure("WorkerUnavailable", fmt.Sprintf("%s ran out of time. See why no worker has answered.", asked))
	case errors.As(err, &ended):
		return failure("", fmt.Sprintf("%s failed: %v. Look at the operation in the Temporal UI.", asked, err))
	case errors.As(err, &invalid):
		return failure("InvalidRequest", fmt.Sprintf("%s was refused by Temporal: %v. Correct the request.", asked, err))
	case late && pending != "":
		return failure("OperationPending", fmt.Sprintf("%s has no answer yet; %s. Ask again to join it.", asked, pending))
	default:
		return failure("TemporalUnavailable", fmt.Sprintf("%s could not be asked of Temporal: %v. Check the server.", asked, err))
	}
}

// failure is the gRPC error that a failure type stands for; a type without a row is Internal.
func failure(kind, message string) error {
	code, known := codeOf[kind]
	if !known {
		code = codes.Internal
	}
	return status.Error(code, message)
}
