package mooring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
)

const (
	// taskTimeout is how long an operation stalls when a worker is killed within one of its workflow tasks.
	taskTimeout = 4 * time.Second
	goesOn      = "the operation goes on"
	details     = "%s shows all that is known of this volume, and what to do."
)

// operation is a request, the workflow that carries it out, and its names in a summary and in messages.
type operation struct {
	workflow string
	driver   string
	handle   string
	node     string
	payload  any
	summary  string
	what     string
}

// operate gives the operation's result or, shortly before the deadline, the reason why there is none.
func (c *Client) operate(ctx context.Context, asked operation, result any) error {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)*9/10)
		defer cancel()
	}
	for pending := ""; ; {
		run, open, err := c.startOrFind(ctx, asked)
		switch {
		case err == nil && run == nil: // the open run has ended meanwhile
			err = ctx.Err()
		case err == nil && (open == nil || asked.isDoneBy(*open)):
			pending = goesOn
			if err = run.Get(ctx, result); err == nil {
				return nil
			}
		case err == nil:
			pending = fmt.Sprintf("it waits for %s, run %s, which goes on", open.workflow, run.GetRunID())
			err = c.outwait(ctx, run, asked.takesBack(*open))
		}
		if err != nil {
			return failureOf(asked, err, ctx.Err() != nil, pending)
		}
	}
}

// startOrFind starts the operation or, where the volume has an open run, gives that one and what it was asked. It gives neither where that
// run is gone when it is looked at.
func (c *Client) startOrFind(ctx context.Context, asked operation) (client.WorkflowRun, *opened, error) {
	run, err := c.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                       asked.id(),
		TaskQueue:                c.taskQueue(),
		WorkflowTaskTimeout:      taskTimeout,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		// NB: without this the SDK gives the open run, even that of another node, as if it had started it.
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary:                            summary(asked.summary),
		StaticDetails:                            fmt.Sprintf(details, explains(asked.handle)),
	}, asked.workflow, asked.payload)
	var found *serviceerror.WorkflowExecutionAlreadyStarted
	if !errors.As(err, &found) {
		return run, nil, err
	}
	events := c.Temporal.GetWorkflowHistory(ctx, asked.id(), found.RunId, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	first, err := events.Next()
	var gone *serviceerror.NotFound
	if errors.As(err, &gone) {
		return nil, nil, nil
	}
	open := c.openedOf(first.GetWorkflowExecutionStartedEventAttributes())
	return c.Temporal.GetWorkflow(ctx, asked.id(), found.RunId), &open, err
}

// outwait waits until a run has ended, however it does. A publish that is to be taken back is cancelled first: it rolls back.
func (c *Client) outwait(ctx context.Context, run client.WorkflowRun, takeBack bool) error {
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

// id is the workflow id of all the volume's operations: at most one is open, so it is the volume's lock.
func (o operation) id() string {
	return "volume/" + o.driver + "/" + short(o.handle)
}
