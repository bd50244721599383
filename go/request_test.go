package mooring

import (
	"fmt"
	"testing"
)

func TestARequestIsTheSameHoweverItsDefaultsAreWritten(t *testing.T) {
	asked := publishOperation(DefaultDriver, PublishRequest{VolumeHandle: "vol", NodeID: "node-a", VolumeContext: map[string]string{}})
	for _, more := range []string{"", `,"driver":"rds.csi.srvlab.io"`, `,"access_mode":"SINGLE_NODE_WRITER","readonly":false`,
		`,"volume_context":{},"handed_over":false`, `,"access_type":null`} {
		open := opened{publish, payloadOf(publish, fmt.Appendf(nil, `{"volume_handle":"vol","node_id":"node-a"%s}`, more))}
		if !asked.isDoneBy(open) {
			t.Error(more)
		}
	}
}

func TestARequestIsAnotherOneWhereAnythingElseIsAsked(t *testing.T) {
	asked := publishOperation(DefaultDriver, PublishRequest{VolumeHandle: "vol", NodeID: "node-a"})
	for _, more := range []string{`,"readonly":true`, `,"access_type":{}`, `,"with_secrets":true`, `,"of_a_later_version":false`, `,"node_id":7`} {
		open := opened{publish, payloadOf(publish, fmt.Appendf(nil, `{"volume_handle":"vol","node_id":"node-a"%s}`, more))}
		if asked.isDoneBy(open) {
			t.Error(more)
		}
	}
}

func TestAnUnpublishTakesBackThePublishOfItsNodeOrOfAny(t *testing.T) {
	open := opened{publish, payloadOf(publish, []byte(`{"volume_handle":"vol","node_id":"node-a"}`))}
	for node, takes := range map[string]bool{"node-a": true, "": true, "node-b": false} {
		if unpublishOperation(DefaultDriver, UnpublishRequest{VolumeHandle: "vol", NodeID: node}).takesBack(open) != takes {
			t.Errorf("node %q", node)
		}
	}
}

func TestWhatCanNotBeReadIsNeitherJoinedNorTakenBack(t *testing.T) {
	open := opened{workflow: publish}
	asked := unpublishOperation(DefaultDriver, UnpublishRequest{VolumeHandle: "vol"})
	if asked.takesBack(open) || asked.isDoneBy(opened{workflow: unpublish}) {
		t.Error("an unreadable request is taken for a known one")
	}
}
