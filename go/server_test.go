package mooring_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	mooring "mooring/go"
)

// connected is a client of the server that TEMPORAL_ADDRESS names, for the driver whose worker serves there; it has the volumes go-1 and go-2.
func connected(t *testing.T) (context.Context, *mooring.Client) {
	driver := os.Getenv("MOORING_TEST_DRIVER")
	if driver == "" {
		t.Skip("MOORING_TEST_DRIVER names no driver")
	}
	client, err := mooring.Connect(driver)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Temporal.Close)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx, client
}

func TestAVolumeIsPublishedRefusedToAnotherNodeAndUnpublished(t *testing.T) {
	ctx, client := connected(t)
	held, err := client.Publish(ctx, mooring.PublishRequest{VolumeHandle: "go-1", NodeID: "node-a"})
	if err != nil {
		t.Fatal(err)
	}
	if held.NodeID != "node-a" || held.Epoch != 1 || !held.Persisted || held.Reclaimed || held.AttachedAt.IsZero() || held.Message == "" {
		t.Errorf("%+v", held)
	}

	_, err = client.Publish(ctx, mooring.PublishRequest{VolumeHandle: "go-1", NodeID: "node-b"})
	if !errors.Is(err, mooring.HeldElsewhere) || status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "node-a") {
		t.Error(err)
	}

	left, err := client.Unpublish(ctx, mooring.UnpublishRequest{VolumeHandle: "go-1", NodeID: "node-a"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(left.Released, []string{"node-a"}) || left.Epoch <= held.Epoch || !left.AnnotationCleared || left.Message == "" {
		t.Errorf("%+v", left)
	}
}

func TestARepetitionSaysThatTheNodeHeldItAlready(t *testing.T) {
	ctx, client := connected(t)
	request := mooring.PublishRequest{VolumeHandle: "go-2", NodeID: "node-a", AccessType: &mooring.AccessType{FsType: "ext4"}}
	for _, reclaimed := range []bool{false, true} {
		held, err := client.Publish(ctx, request)
		if err != nil || held.Reclaimed != reclaimed {
			t.Errorf("%+v %v", held, err)
		}
	}
}

func TestACallWithoutAnAnswerIsPendingAndGoesOn(t *testing.T) {
	ctx, client := connected(t)
	client.TaskQueue = "nobody-polls-this"
	request := mooring.PublishRequest{VolumeHandle: "go-3", NodeID: "node-a"}
	for patience, told := time.Second, error(nil); !errors.Is(told, mooring.OperationPending); patience *= 2 {
		short, cancel := context.WithTimeout(ctx, patience)
		_, told = client.Publish(short, request)
		cancel()
		if ctx.Err() != nil {
			t.Fatal(told)
		}
	}
	run, err := client.Temporal.DescribeWorkflowExecution(ctx, "volume/"+client.Driver+"/go-3", "")
	if err != nil || run.GetWorkflowExecutionInfo().GetCloseTime() != nil {
		t.Errorf("%v %v", run, err)
	}
}

func TestANameThatNothingCanHaveIsDetachedAlready(t *testing.T) {
	ctx, client := connected(t)
	left, err := client.Unpublish(ctx, mooring.UnpublishRequest{VolumeHandle: strings.Repeat("v", 70000)})
	if err != nil || !left.AnnotationCleared {
		t.Errorf("%+v %v", left, err)
	}
}
