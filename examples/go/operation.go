package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"

	"go.temporal.io/api/history/v1"
)

const (
	publish       = "PublishVolume"
	unpublish     = "UnpublishVolume"
	defaultDriver = "rds.csi.srvlab.io"
	defaultMode   = "SINGLE_NODE_WRITER"
	details       = "%s shows all that is known of this volume, and what to do."
)

// operation is a workflow and the JSON that it is asked with.
// NB: it has no field for the secrets of a CSI request, because what is sent stays in the history.
type operation struct {
	workflow string
	request
}

type request struct {
	Driver       string `json:"driver"`
	VolumeHandle string `json:"volume_handle"`
	NodeID       string `json:"node_id"`
	AccessMode   string `json:"access_mode,omitempty"`
	Readonly     bool   `json:"readonly,omitempty"`
}

// opened is what an open run was asked, whoever started it and in whatever language.
type opened struct {
	workflow string
	fields   map[string]any
}

// answer is what a CSI driver needs of a workflow's result.
type answer struct {
	PublishContext map[string]string `json:"publish_context"`
	Message        string            `json:"message"`
}

func openedOf(started *history.WorkflowExecutionStartedEventAttributes) opened {
	open := opened{workflow: started.GetWorkflowType().GetName()}
	for _, payload := range started.GetInput().GetPayloads() {
		open.fields = fieldsOf(open.workflow, payload.GetData())
	}
	return open
}

// fieldsOf reads a request. Defaults are filled in and empty fields left out, so that two which ask the same are equal.
func fieldsOf(workflow string, data []byte) map[string]any {
	fields := map[string]any{"driver": defaultDriver}
	if workflow == publish {
		fields["access_mode"] = defaultMode
	}
	if json.Unmarshal(data, &fields) != nil {
		return nil
	}
	maps.DeleteFunc(fields, func(_ string, field any) bool {
		value := reflect.ValueOf(field)
		return !value.IsValid() || value.IsZero() || (value.Kind() == reflect.Map && value.Len() == 0)
	})
	return fields
}

// isDoneBy says whether the open run does the very same.
func (o operation) isDoneBy(open opened) bool {
	data, err := json.Marshal(o.request)
	return err == nil && o.workflow == open.workflow && reflect.DeepEqual(fieldsOf(o.workflow, data), open.fields)
}

// takesBack says whether it unpublishes what the open run publishes.
func (o operation) takesBack(open opened) bool {
	publishing := open.workflow == publish && open.fields["volume_handle"] == o.VolumeHandle
	return o.workflow == unpublish && publishing && (o.NodeID == "" || o.NodeID == open.fields["node_id"])
}

// id is the workflow id of all the volume's operations: at most one is open, so it is the volume's lock.
func (o operation) id() string {
	return "volume/" + o.Driver + "/" + short(o.VolumeHandle)
}

// String says in one line what is asked.
func (o operation) String() string {
	switch {
	case o.workflow == publish:
		return fmt.Sprintf("publish %s to %s", o.VolumeHandle, o.NodeID)
	case o.NodeID == "":
		return fmt.Sprintf("unpublish %s from every node", o.VolumeHandle)
	default:
		return fmt.Sprintf("unpublish %s from %s", o.VolumeHandle, o.NodeID)
	}
}
