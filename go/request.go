package mooring

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"go.temporal.io/api/history/v1"
)

const (
	publish     = "PublishVolume"
	unpublish   = "UnpublishVolume"
	defaultMode = "SINGLE_NODE_WRITER"
)

// PublishRequest asks that a node hold a volume.
type PublishRequest struct {
	VolumeHandle string
	NodeID       string
	// AccessMode has a name of the CSI specification; empty: SINGLE_NODE_WRITER.
	AccessMode string
	Readonly   bool
	// AccessType and VolumeContext are for a backend that the workers call, and stay in the history.
	AccessType    *AccessType
	VolumeContext map[string]string
}

// AccessType is a node's use of a volume, but for its mount flags, which may be secret.
type AccessType struct {
	Block            bool   `json:"block"`
	FsType           string `json:"fs_type"`
	VolumeMountGroup string `json:"volume_mount_group"`
}

// UnpublishRequest asks that a node, or where NodeID is empty every node, no longer hold a volume.
type UnpublishRequest struct {
	VolumeHandle string
	NodeID       string
}

// PublishResult tells of a volume that the node holds.
type PublishResult struct {
	NodeID         string            `json:"node_id"`
	PublishContext map[string]string `json:"publish_context"`
	// Epoch is higher at every change of the volume's record; 0 while it has no PersistentVolume.
	Epoch      int64     `json:"epoch"`
	AttachedAt time.Time `json:"attached_at"`
	// Persisted is false while the volume has no PersistentVolume that says who holds it.
	Persisted bool `json:"persisted"`
	// Reclaimed says that the node held it already.
	Reclaimed bool   `json:"reclaimed"`
	Message   string `json:"message"`
}

// UnpublishResult tells of a volume that the node no longer holds.
type UnpublishResult struct {
	// Released are the nodes that held it until now.
	Released []string `json:"released"`
	Epoch    int64    `json:"epoch"`
	// AnnotationCleared is false where the record could not be cleared: the volume stays fenced to its holder, and Message says why.
	AnnotationCleared bool   `json:"annotation_cleared"`
	Message           string `json:"message"`
}

// volume is the payload's part that both workflows share.
type volume struct {
	Driver       string `json:"driver"`
	VolumeHandle string `json:"volume_handle"`
	NodeID       string `json:"node_id"`
	HandedOver   bool   `json:"handed_over,omitempty"`
}

// publishPayload and unpublishPayload have every field that some caller may send, though some are only compared here.
type publishPayload struct {
	volume
	AccessMode    string            `json:"access_mode"`
	Readonly      bool              `json:"readonly"`
	AccessType    *AccessType       `json:"access_type,omitempty"`
	VolumeContext map[string]string `json:"volume_context,omitempty"`
	WithSecrets   bool              `json:"with_secrets,omitempty"`
}

type unpublishPayload struct {
	volume
	Stray    bool   `json:"stray,omitempty"`
	AtEpoch  *int64 `json:"at_epoch,omitempty"`
	AtRun    string `json:"at_run,omitempty"`
	Detached bool   `json:"detached,omitempty"`
}

// opened is what an open run was asked, whoever started it and in whatever language; nil: nothing that is known here.
type opened struct {
	workflow string
	payload  any
}

func publishOperation(driver string, request PublishRequest) operation {
	mode := request.AccessMode
	if mode == "" {
		mode = defaultMode
	}
	payload := publishPayload{
		volume:     volume{Driver: driver, VolumeHandle: request.VolumeHandle, NodeID: request.NodeID},
		AccessMode: mode, Readonly: request.Readonly, AccessType: request.AccessType, VolumeContext: noneIfEmpty(request.VolumeContext),
	}
	return operation{
		workflow: publish, driver: driver, handle: request.VolumeHandle, node: request.NodeID, payload: payload,
		summary: fmt.Sprintf("publish %s to %s", request.VolumeHandle, request.NodeID),
		what:    fmt.Sprintf("The publish of volume %s to node %s", request.VolumeHandle, request.NodeID),
	}
}

func unpublishOperation(driver string, request UnpublishRequest) operation {
	from, node := "every node", "every node"
	if request.NodeID != "" {
		from, node = request.NodeID, "node "+request.NodeID
	}
	payload := unpublishPayload{volume: volume{Driver: driver, VolumeHandle: request.VolumeHandle, NodeID: request.NodeID}}
	return operation{
		workflow: unpublish, driver: driver, handle: request.VolumeHandle, node: request.NodeID, payload: payload,
		summary: fmt.Sprintf("unpublish %s from %s", request.VolumeHandle, from),
		what:    fmt.Sprintf("The unpublish of volume %s from %s", request.VolumeHandle, node),
	}
}

// openedOf reads what a run was asked. A payload that can't be read is no request of this package.
func (c *Client) openedOf(started *history.WorkflowExecutionStartedEventAttributes) opened {
	open := opened{workflow: started.GetWorkflowType().GetName()}
	payloads := started.GetInput().GetPayloads()
	var data json.RawMessage
	if len(payloads) == 1 && c.converter().FromPayload(payloads[0], &data) == nil {
		open.payload = payloadOf(open.workflow, data)
	}
	return open
}

// payloadOf reads a request with its defaults; nil where it has a field that is not known here, and so may ask for something else.
func payloadOf(workflow string, data []byte) any {
	strict := json.NewDecoder(bytes.NewReader(data))
	strict.DisallowUnknownFields()
	switch workflow {
	case publish:
		payload := publishPayload{volume: volume{Driver: DefaultDriver}, AccessMode: defaultMode}
		if strict.Decode(&payload) == nil {
			payload.VolumeContext = noneIfEmpty(payload.VolumeContext)
			return payload
		}
	case unpublish:
		payload := unpublishPayload{volume: volume{Driver: DefaultDriver}}
		if strict.Decode(&payload) == nil {
			return payload
		}
	}
	return nil
}

func noneIfEmpty(values map[string]string) map[string]string {
	if len(values) == 0 {
		return nil
	}
	return values
}

// isDoneBy says whether the open run does the very same.
func (o operation) isDoneBy(open opened) bool {
	return o.workflow == open.workflow && reflect.DeepEqual(o.payload, open.payload)
}

// takesBack says whether it unpublishes what the open run publishes.
func (o operation) takesBack(open opened) bool {
	publishing, known := open.payload.(publishPayload)
	return o.workflow == unpublish && known && (o.node == "" || o.node == publishing.NodeID)
}
