package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
)

// taskTimeout is how long an operation stalls when a worker is killed within one of its workflow tasks.
const taskTimeout = 4 * time.Second

// Controller attaches and detaches the volumes of one CSI driver by Mooring's workflows.
//
// An open operation that does the very same is joined, any other is waited for. The caller's deadline cancels nothing: the
// operation goes on, and asking again joins it. The workflow checks the request, so nothing is checked here.
type Controller struct {
	csi.UnimplementedControllerServer
	Temporal client.Client
	Driver   string
	Log      *slog.Logger
}

// ControllerPublishVolume has the node hold the volume.
func (c *Controller) ControllerPublishVolume(
	ctx context.Context, req *csi.ControllerPublishVolumeRequest,
) (*csi.ControllerPublishVolumeResponse, error) {
	mode := req.GetVolumeCapability().GetAccessMode().GetMode().String()
	asked := operation{publish, request{c.Driver, req.GetVolumeId(), req.GetNodeId(), mode, req.GetReadonly()}}
	done, err := c.operate(ctx, asked)
	if err != nil {
		return nil, err
	}
	return &csi.ControllerPublishVolumeResponse{PublishContext: done.PublishContext}, nil
}

// ControllerUnpublishVolume has the node, or where none is named every node, no longer hold the volume.
func (c *Controller) ControllerUnpublishVolume(
	ctx context.Context, req *csi.ControllerUnpublishVolumeRequest,
) (*csi.ControllerUnpublishVolumeResponse, error) {
	asked := operation{unpublish, request{Driver: c.Driver, VolumeHandle: req.GetVolumeId(), NodeID: req.GetNodeId()}}
	if _, err := c.operate(ctx, asked); err != nil {
		return nil, err
	}
	return &csi.ControllerUnpublishVolumeResponse{}, nil
}

// operate gives the operation's answer or, shortly before the deadline, the reason why there is none.
func (c *Controller) operate(ctx context.Context, asked operation) (*answer, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)*9/10)
		defer cancel()
	}
	for pending := ""; ; {
		run, open, err := c.startOrFind(ctx, asked)
		switch {
		case err == nil && (open == nil || asked.isDoneBy(*open)):
			pending = "the operation goes on"
			var done answer
			if err = run.Get(ctx, &done); err == nil {
				c.Log.Info(done.Message)
				return &done, nil
			}
		case err == nil:
			pending = fmt.Sprintf("it waits for %s, run %s, which goes on", open.workflow, run.GetRunID())
			err = c.outwait(ctx, run, asked.takesBack(*open))
		}
		if err != nil {
			return nil, failureOf(asked, err, ctx.Err() != nil, pending)
		}
	}
}

// startOrFind starts the operation or, where the volume has an open run, gives that one and what it was asked.
func (c *Controller) startOrFind(ctx context.Context, asked operation) (client.WorkflowRun, *opened, error) {
	run, err := c.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                       asked.id(),
		TaskQueue:                "mooring-" + asked.Driver,
		WorkflowTaskTimeout:      taskTimeout,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		// NB: without this the SDK gives the open run, even that of another node, as if it had started it.
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary:                            summary(asked.String()),
		StaticDetails:                            fmt.Sprintf(details, explains(asked.VolumeHandle)),
	}, asked.workflow, asked.request)
	var found *serviceerror.WorkflowExecutionAlreadyStarted
	if !errors.As(err, &found) {
		return run, nil, err
	}
	events := c.Temporal.GetWorkflowHistory(ctx, asked.id(), found.RunId, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	first, err := events.Next()
	open := openedOf(first.GetWorkflowExecutionStartedEventAttributes())
	return c.Temporal.GetWorkflow(ctx, asked.id(), found.RunId), &open, err
}

// outwait waits until a run has ended, however it does. A publish that is to be taken back is cancelled first: it rolls back.
func (c *Controller) outwait(ctx context.Context, run client.WorkflowRun, takeBack bool) error {
	var gone *serviceerror.NotFound
	if takeBack {
		if err := c.Temporal.CancelWorkflow(ctx, run.GetID(), run.GetRunID()); err != nil && !errors.As(err, &gone) {
			return err
		}
	}
	var failed *temporal.WorkflowExecutionError
	if err := run.Get(ctx, nil); !errors.As(err, &failed) {
		return err
	}
	return nil
}
