// Code generated from mooring/errors.py by `make stubs`. DO NOT EDIT.

package mooring

import "google.golang.org/grpc/codes"

// The failure types that Mooring has.
const (
	// AttachLimitReached: The node already holds as many volumes of the driver as its CSINode allows (`allocatable.count`).
	AttachLimitReached FailureType = "AttachLimitReached"

	// BackendAlreadyExists: The backend has already attached the volume to this node, in another way than requested.
	BackendAlreadyExists FailureType = "BackendAlreadyExists"

	// BackendDataLoss: The backend has lost data of the volume.
	BackendDataLoss FailureType = "BackendDataLoss"

	// BackendFailed: The backend's final answer is no. It may have done part of the call.
	BackendFailed FailureType = "BackendFailed"

	// BackendFailedPrecondition: The backend's state does not allow the call: for example, the volume is attached elsewhere, or the
	// token is too old.
	BackendFailedPrecondition FailureType = "BackendFailedPrecondition"

	// BackendInvalidArgument: The backend's answer to a malformed request.
	BackendInvalidArgument FailureType = "BackendInvalidArgument"

	// BackendNotFound: The backend has no such volume or node.
	BackendNotFound FailureType = "BackendNotFound"

	// BackendOutOfRange: The backend's answer to a value that is out of range.
	BackendOutOfRange FailureType = "BackendOutOfRange"

	// BackendPermissionDenied: The backend denies Mooring the right to make this call.
	BackendPermissionDenied FailureType = "BackendPermissionDenied"

	// BackendRefused: The backend refuses the call, and has done nothing of it. The types below are its reasons, one for each gRPC
	// code.
	BackendRefused FailureType = "BackendRefused"

	// BackendResourceExhausted: The backend has no room for another attachment on this node. NB: gRPC has the same code for an answer
	// that is too large, and a server may run out of resources during a call.
	BackendResourceExhausted FailureType = "BackendResourceExhausted"

	// BackendUnauthenticated: The backend rejects the credentials, or got none.
	BackendUnauthenticated FailureType = "BackendUnauthenticated"

	// BackendUncertain: The backend did not report the outcome of the call.
	BackendUncertain FailureType = "BackendUncertain"

	// BackendUnimplemented: The backend does not attach and detach volumes.
	BackendUnimplemented FailureType = "BackendUnimplemented"

	// Contended: The record kept changing between a read and the write based on it.
	Contended FailureType = "Contended"

	// Disputed: Evidence beside the record says that the volume is attached, and nothing shows which node may have it.
	Disputed FailureType = "Disputed"

	// DuplicateVolume: Several PVs of one volume name holders that exclude each other, so one of these records is wrong.
	DuplicateVolume FailureType = "DuplicateVolume"

	// HeldElsewhere: Another node holds the volume in a way that excludes this one.
	HeldElsewhere FailureType = "HeldElsewhere"

	// Incompatible: This node already holds the volume, with another access mode or readonly flag.
	Incompatible FailureType = "Incompatible"

	// InvalidRequest: A field of the request is missing or malformed.
	InvalidRequest FailureType = "InvalidRequest"

	// KubernetesForbidden: The API server denies this account a right that it needs.
	KubernetesForbidden FailureType = "KubernetesForbidden"

	// KubernetesRejected: The API server refuses the request itself. If that is a write, the record has not changed.
	KubernetesRejected FailureType = "KubernetesRejected"

	// KubernetesUnavailable: The API server did not answer, or can't serve requests now. The write may or may not have been applied.
	KubernetesUnavailable FailureType = "KubernetesUnavailable"

	// ListOutdated: A list of volumes can't be continued from this token.
	ListOutdated FailureType = "ListOutdated"

	// MalformedRecord: The PV's annotations contradict each other, can't be read, or say less than before, so the holder is unknown.
	MalformedRecord FailureType = "MalformedRecord"

	// MigrationAwaited: Several nodes still hold a volume that is migrating from one to the other.
	MigrationAwaited FailureType = "MigrationAwaited"

	// NodeNotFound: The cluster has no node with this id, by the check that MOORING_NODE_CHECK selects.
	NodeNotFound FailureType = "NodeNotFound"

	// NotReconciled: No Schedule reconciles the driver.
	NotReconciled FailureType = "NotReconciled"

	// NothingToApprove: There is no such run, or it doesn't wait for an approval.
	NothingToApprove FailureType = "NothingToApprove"

	// OperationCancelled: The operation was cancelled and rolled back.
	OperationCancelled FailureType = "OperationCancelled"

	// OperationPending: Another operation on the volume is open, or this one was still open at the caller's deadline; it goes on.
	OperationPending FailureType = "OperationPending"

	// OperationTerminated: The operation was terminated, so nothing that it had begun was rolled back; the fence keeps the record true.
	OperationTerminated FailureType = "OperationTerminated"

	// RecordAltered: The API server accepted the write and stored something else.
	RecordAltered FailureType = "RecordAltered"

	// RecordTooLarge: The record has grown beyond what the annotations of one PV may hold together (256 KiB).
	RecordTooLarge FailureType = "RecordTooLarge"

	// SecretsAwaited: The secrets of the call are not in this worker's memory; the CO's next call supplies them again.
	SecretsAwaited FailureType = "SecretsAwaited"

	// SecretsNeeded: The driver takes secrets, which only the CO's own calls carry, so it was not called.
	SecretsNeeded FailureType = "SecretsNeeded"

	// SecretsOutOfReach: The CSI endpoint runs without a worker, and the call carries secrets for the driver.
	SecretsOutOfReach FailureType = "SecretsOutOfReach"

	// TemporalUnavailable: The Temporal server can't be reached, or refuses the call.
	TemporalUnavailable FailureType = "TemporalUnavailable"

	// UnreadableHistory: A volume's holder is unknown, because the run that shows it has payloads that can't be read here.
	UnreadableHistory FailureType = "UnreadableHistory"

	// UntranslatableVolume: A PV has an in-tree source of the driver that gives no volume handle, so its volume is unknown.
	UntranslatableVolume FailureType = "UntranslatableVolume"

	// VolumeAwaited: An attachment waits to be recorded: until its PV exists, and until nothing prevents the record.
	VolumeAwaited FailureType = "VolumeAwaited"

	// VolumeNotFound: No PV of the driver has this volume handle, and MOORING_MISSING_PV is `reject`.
	VolumeNotFound FailureType = "VolumeNotFound"

	// WorkerUnavailable: No worker took the work in time.
	WorkerUnavailable FailureType = "WorkerUnavailable"
)

func rowOf(t FailureType) row {
	switch t {
	case AttachLimitReached:
		return row{codes.ResourceExhausted, "", false, "Unpublish a volume from that node first, or publish this one to another node."}
	case BackendAlreadyExists:
		return row{codes.AlreadyExists, BackendRefused, false, "Read the backend's reason above, and its log."}
	case BackendDataLoss:
		return row{codes.DataLoss, BackendFailed, false, "Read the backend's reason above, and its log."}
	case BackendFailed:
		return row{codes.Internal, "", false, "Read the backend's reason above, and its log."}
	case BackendFailedPrecondition:
		return row{codes.FailedPrecondition, BackendRefused, false, "Read the backend's reason above, and its log."}
	case BackendInvalidArgument:
		return row{codes.InvalidArgument, BackendRefused, false, "Read the backend's reason above, and its log."}
	case BackendNotFound:
		return row{codes.NotFound, BackendRefused, false, "Read the backend's reason above, and its log."}
	case BackendOutOfRange:
		return row{codes.OutOfRange, BackendRefused, false, "Read the backend's reason above, and its log."}
	case BackendPermissionDenied:
		return row{codes.PermissionDenied, BackendRefused, false, "Read the backend's reason above, and its log."}
	case BackendRefused:
		return row{codes.Internal, BackendFailed, false, "Read the backend's reason above, and its log."}
	case BackendResourceExhausted:
		return row{codes.ResourceExhausted, BackendFailed, false, "Read the backend's reason above, and its log."}
	case BackendUnauthenticated:
		return row{codes.Unauthenticated, BackendRefused, false, "Correct the volume's secret (controllerPublishSecretRef of its PersistentVolume)."}
	case BackendUncertain:
		return row{codes.Unavailable, "", true, "It is retried; if this persists, check the backend."}
	case BackendUnimplemented:
		return row{codes.Unimplemented, BackendRefused, false, "Read the backend's reason above, and its log."}
	case Contended:
		return row{codes.Aborted, "", false, "Try again; if this persists, find the other writer in the PersistentVolume's managedFields."}
	case Disputed:
		return row{codes.FailedPrecondition, "", false, "Delete the Pod that must not have the volume, so that its VolumeAttachment is deleted, or unpublish the volume from a node that no longer has it; `mooring adopt --dry-run` lists the volumes in doubt."}
	case DuplicateVolume:
		return row{codes.FailedPrecondition, "", false, "Find out which node has the volume, unpublish it from the other one (`mooring unpublish VOLUME NODE`), then try again."}
	case HeldElsewhere:
		return row{codes.FailedPrecondition, "", false, "Unpublish it from that node first, or publish it to the node that holds it."}
	case Incompatible:
		return row{codes.AlreadyExists, "", false, "Unpublish the volume first, or request the access mode and readonly flag that it is attached with."}
	case InvalidRequest:
		return row{codes.InvalidArgument, "", false, "Correct the request and send it again."}
	case KubernetesForbidden:
		return row{codes.PermissionDenied, "", false, "Grant the account named above the rights in deploy/kubernetes/rbac.yaml; if a policy is named, correct admission.yaml."}
	case KubernetesRejected:
		return row{codes.Internal, "", false, "Read the API server's reason above. A write is also refused by admission policies, and beyond the size of annotations."}
	case KubernetesUnavailable:
		return row{codes.Unavailable, "", true, "If this persists, check the API server and the network path to it."}
	case ListOutdated:
		return row{codes.Aborted, "", false, "Start the list again, without a token."}
	case MalformedRecord:
		return row{codes.FailedPrecondition, "", false, "Find out which node has the volume, correct the annotations with kubectl, then try again."}
	case MigrationAwaited:
		return row{codes.Unavailable, "", true, "No action is needed: this ends as soon as only one node holds the volume."}
	case NodeNotFound:
		return row{codes.NotFound, "", false, "Check that the node is in the cluster and that the driver's node plugin is registered on it (`kubectl get csinode`)."}
	case NotReconciled:
		return row{codes.NotFound, "", false, "Run a worker of this driver with MOORING_RECONCILE_INTERVAL above 0."}
	case NothingToApprove:
		return row{codes.NotFound, "", false, "`mooring list --open` shows what waits for an approval."}
	case OperationCancelled:
		return row{codes.Aborted, "", false, "Ask again if the operation is still wanted."}
	case OperationPending:
		return row{codes.Aborted, "", false, "Ask again: a repeated call joins the open operation."}
	case OperationTerminated:
		return row{codes.Aborted, "", false, "Ask again, or unpublish the volume: either one settles what the terminated run left unfinished."}
	case RecordAltered:
		return row{codes.Internal, "", false, "Find the admission webhook that changes this driver's annotations, and exempt them from it."}
	case RecordTooLarge:
		return row{codes.FailedPrecondition, KubernetesRejected, false, "Unpublish the volume from nodes that no longer need it, or remove other annotations of the PersistentVolume; docs/operations.md has the number of holders that fit."}
	case SecretsAwaited:
		return row{codes.Unavailable, "", true, "It goes on with the CO's next call about this volume, which supplies the secrets again."}
	case SecretsNeeded:
		return row{codes.FailedPrecondition, BackendRefused, false, "Let the CO detach it: force-delete the Pod on a dead node, or delete its VolumeAttachment; if there is none, create one for the volume and the node, and delete it."}
	case SecretsOutOfReach:
		return row{codes.FailedPrecondition, "", false, "Run the CSI endpoint in the worker's process (MOORING_CSI_ONLY=false)."}
	case TemporalUnavailable:
		return row{codes.Unavailable, "", true, "Check TEMPORAL_ADDRESS, the namespace and the server, then try again."}
	case UnreadableHistory:
		return row{codes.FailedPrecondition, "", false, "Give every worker the payload codec and keys that the run was written with; if these are lost, find out which node has the volume, and delete the run (`temporal workflow delete`)."}
	case UntranslatableVolume:
		return row{codes.FailedPrecondition, "", false, "Recreate the PersistentVolume with a source that the CSI driver serves, or as a CSI volume."}
	case VolumeAwaited:
		return row{codes.Unavailable, "", true, "It is recorded as soon as the PersistentVolume exists and admits the node; to give it up, unpublish the volume."}
	case VolumeNotFound:
		return row{codes.NotFound, "", false, "Check the spelling: `mooring list` shows the volume handles."}
	case WorkerUnavailable:
		return row{codes.Unavailable, "", true, "Start a worker (`mooring worker`) or find out from /readyz why none is ready."}
	}
	return row{codes.Internal, "", false, "Look at the operation in the Temporal UI."}
}
