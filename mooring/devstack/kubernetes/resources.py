"""The resources that the embedded API serves: those that Mooring calls, and no more."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object, with the root of its URLs."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = False
    required: tuple[str, ...] = ()
    """Fields that its objects can't be created without."""
    fixed: tuple[str, ...] = ()
    """Fields of its objects that never change, besides their identity."""
    returns_deleted: bool = True
    """True if a deletion answers with the object, False if with a bare success."""

    @property
    def api_version(self) -> str:
        """The `apiVersion` of its objects: `v1`, `storage.k8s.io/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def root(self) -> str:
        """The path of its API group, without a slash at the end."""
        return f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"

    @property
    def qualified(self) -> str:
        """Its name in messages: `persistentvolumes`, `csinodes.storage.k8s.io`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


OF_EVENTS = ("eventTime", "reportingController", "reportingInstance", "action", "reason", "type")
FIXED_IN_EVENTS = (*OF_EVENTS, "note", "regarding", "related")

RESOURCES = (
    Resource("", "v1", "persistentvolumes", "PersistentVolume"),
    Resource("", "v1", "nodes", "Node", returns_deleted=False),
    Resource("", "v1", "pods", "Pod", namespaced=True, required=("spec",)),
    Resource("storage.k8s.io", "v1", "csinodes", "CSINode"),
    Resource("storage.k8s.io", "v1", "volumeattachments", "VolumeAttachment"),
    Resource(
        *("events.k8s.io", "v1", "events", "Event"),
        namespaced=True,
        required=OF_EVENTS,
        fixed=FIXED_IN_EVENTS,
        returns_deleted=False,
    ),
)

BY_KIND = {(resource.api_version, resource.kind): resource for resource in RESOURCES}
