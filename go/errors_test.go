package mooring

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

var asked = publishOperation("d", PublishRequest{VolumeHandle: "vol", NodeID: "node-a"})

func TestAFailureIsOfItsTypeAndOfTheOnesThatThatBelongsTo(t *testing.T) {
	err := fmt.Errorf("wrapped: %w", failure(BackendNotFound, "No such volume.", nil))
	for _, kind := range []FailureType{BackendNotFound, BackendRefused, BackendFailed} {
		if !errors.Is(err, kind) {
			t.Errorf("%v is no %v", err, kind)
		}
	}
	if errors.Is(err, HeldElsewhere) {
		t.Error("it is of a type that it doesn't belong to")
	}
}

func TestAGrpcServerAnswersWithTheCodeOfItsType(t *testing.T) {
	said := status.Convert(failure(HeldElsewhere, "Volume vol is held by node node-b.", nil))
	if said.Code() != codes.FailedPrecondition || !strings.HasPrefix(said.Message(), "Volume vol is held by node node-b. Unpublish it") {
		t.Error(said)
	}
}

func TestAdviceIsGivenOnce(t *testing.T) {
	message := "No. " + HeldElsewhere.Advice()
	if said := failure(HeldElsewhere, message, nil).Error(); said != message {
		t.Error(said)
	}
}

func TestATypeOfALaterMooringIsInternalAndKeepsItsName(t *testing.T) {
	err := failureOf(asked, temporal.NewApplicationError("It has melted.", "VolumeMelted"), false, "")
	if status.Code(err) != codes.Internal || !errors.Is(err, FailureType("VolumeMelted")) || !strings.HasPrefix(err.Error(), "It has melted.") {
		t.Error(err)
	}
}

func TestTheLackOfAnAnswerIsPendingOnceTemporalHasAnswered(t *testing.T) {
	for pending, kind := range map[string]FailureType{"": TemporalUnavailable, goesOn: OperationPending} {
		err := failureOf(asked, context.DeadlineExceeded, true, pending)
		if !errors.Is(err, kind) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%q: %v", pending, err)
		}
	}
}

func TestWhatTemporalRefusesIsAnInvalidRequest(t *testing.T) {
	if err := failureOf(asked, serviceerror.NewInvalidArgument("too long"), false, ""); !errors.Is(err, InvalidRequest) {
		t.Error(err)
	}
}
