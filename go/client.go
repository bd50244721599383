// Package mooring attaches and detaches the volumes of a CSI driver by Mooring's workflows.
//
// An operation is durable: it goes on when the caller's context is done, or its process dies, and asking again joins it. An open operation
// that does the very same is joined, any other on the volume is waited for; an unpublish cancels an open publish of its own node first,
// which rolls back. The workflow checks a request, so nothing is checked here.
//
// Every error is an *Error, which is a gRPC status, and errors.Is tells its failure type:
//
//	if errors.Is(err, mooring.HeldElsewhere) { ... }
//
// Not kept here: the workflows, which a worker of Mooring carries out. Secrets of a CSI request have no field, because what is sent stays in
// the history of the workflow; a driver that takes secrets has Mooring before it instead (`mooring csi`).
package mooring

import (
	"context"
	"fmt"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/converter"
)

// DefaultDriver is the driver that Mooring takes where none is named.
const DefaultDriver = "rds.csi.srvlab.io"

// longest is how many characters a volume handle and a node id that are attached may have together.
const longest = 65536

// Client publishes and unpublishes the volumes of one CSI driver. It may be used by many goroutines at once.
type Client struct {
	// Temporal is a client of the namespace that the driver's workers poll.
	Temporal client.Client
	// Driver is the name of the CSI driver.
	Driver string
	// TaskQueue is what MOORING_TASK_QUEUE says to the workers; empty: `mooring-` and the driver's name.
	TaskQueue string
	// DataConverter is that of the Temporal client, where it has one of its own, a payload codec for instance.
	DataConverter converter.DataConverter
}

// Connect makes a client of the server that TEMPORAL_* or the Temporal CLI's profiles name. It needs no server to start.
func Connect(driver string) (*Client, error) {
	options, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return nil, err
	}
	lazy, err := client.NewLazyClient(options)
	if err != nil {
		return nil, err
	}
	return &Client{Temporal: lazy, Driver: driver}, nil
}

// Publish has the node hold the volume. Its answer comes, where the context has a deadline, shortly before that.
func (c *Client) Publish(ctx context.Context, request PublishRequest) (*PublishResult, error) {
	var result PublishResult
	if err := c.operate(ctx, publishOperation(c.Driver, request), &result); err != nil {
		return nil, err
	}
	return &result, nil
}

// Unpublish has the node, or where none is named every node, no longer hold the volume. Its answer comes as that of Publish.
func (c *Client) Unpublish(ctx context.Context, request UnpublishRequest) (*UnpublishResult, error) {
	if len([]rune(request.VolumeHandle))+len([]rune(request.NodeID)) > longest {
		return &UnpublishResult{AnnotationCleared: true, Message: "No name that long can be attached, so there was nothing to do."}, nil
	}
	var result UnpublishResult
	if err := c.operate(ctx, unpublishOperation(c.Driver, request), &result); err != nil {
		return nil, err
	}
	return &result, nil
}

func (c *Client) taskQueue() string {
	if c.TaskQueue != "" {
		return c.TaskQueue
	}
	return fmt.Sprintf("mooring-%s", c.Driver)
}

func (c *Client) converter() converter.DataConverter {
	if c.DataConverter != nil {
		return c.DataConverter
	}
	return converter.GetDefaultDataConverter()
}
