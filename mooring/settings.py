"""Every setting of a worker: its environment variable, its default, its effect.

Contract: `read_settings` reads the environment once; nothing else in Mooring does, but for variables that belong to others:
TEMPORAL_* and the Temporal CLI's profiles (`temporalio.envconfig`), KUBECONFIG. A field's variable is `MOORING_` and its name in
capitals.

Not kept here: the conduct of an operation under these bounds (workflows/).
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterable
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from mooring.models import DEFAULT_DRIVER, DriverName, OperationLimits
from mooring.models.faults import rule
from mooring.models.reconciliation import ReconcileOptions

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

PREFIX: Final = "MOORING_"
LogFormat = Literal["text", "json"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
SOCKET_PATH_BYTES = 107
"""Bytes that the kernel allows for a socket's path."""


ALIKE: Final = 0.8
"""Likeness of two names, of at most 1, from which one is taken for the other misspelt."""


def unix_socket(value: str) -> str:
    """Return the socket as `unix:///path`; `/path` and `unix:/path` name it as well, "" names none."""
    path = value.removeprefix("unix:").removeprefix("//")
    if value and not (path.startswith("/") and 1 < len(path.encode()) <= SOCKET_PATH_BYTES):
        raise ValueError(f"must be the absolute path of a socket, /path or unix:///path, of at most {SOCKET_PATH_BYTES} bytes")
    return f"unix://{path}" if value else ""


def _address(value: str) -> str:
    _, colon, port = value.rpartition(":")
    if not (colon and port.isascii() and port.isdecimal() and int(port) <= 65535):
        raise ValueError("must be host:port")
    return value


def _deployment_name(value: str) -> str:
    # NB: Temporal's clients separate a deployment's name from a build id by a dot.
    if not re.fullmatch("([A-Za-z0-9][A-Za-z0-9_-]{0,99})?", value):
        raise ValueError("must be letters, digits, - and _, at most 100, and begin with a letter or digit")
    return value


def _build_id(value: str) -> str:
    if not re.fullmatch("([A-Za-z0-9][A-Za-z0-9._-]{0,99})?", value):
        raise ValueError("must be letters, digits, `.`, - and _, at most 100, and begin with a letter or digit")
    return value


UnixSocket = Annotated[str, AfterValidator(unix_socket)]
Address = Annotated[str, AfterValidator(_address)]
DeploymentName = Annotated[str, AfterValidator(_deployment_name)]
BuildId = Annotated[str, AfterValidator(_build_id)]
Seconds = Annotated[float, Field(gt=0, le=86400, allow_inf_nan=False)]


class KubernetesMode(StrEnum):
    """Storage of the records."""

    AUTO = "auto"
    OFF = "off"


class MissingPv(StrEnum):
    """Reaction of a publish to a volume that has no PV yet."""

    TOLERATE = "tolerate"
    REJECT = "reject"


class NodeCheck(StrEnum):
    """Source of the node ids that a publish accepts."""

    CSINODE = "csinode"
    NODE = "node"
    OFF = "off"


class EvacuateMode(StrEnum):
    """Initiative to evacuate dead nodes: workers that see one die, or operators alone."""

    AUTO = "auto"
    OFF = "off"


class HealMode(StrEnum):
    """Reaction of reconciliations to drift."""

    SAFE = "safe"
    OFF = "off"


class EventsMode(StrEnum):
    """Selection of the Kubernetes Events that are written."""

    ALL = "all"
    WARNINGS = "warnings"
    OFF = "off"


class Settings(BaseSettings):
    """A worker's settings; durations are in seconds."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    driver: DriverName = Field(
        DEFAULT_DRIVER, description="CSI driver name: prefix of the annotations and part of every workflow id."
    )
    task_queue: str = Field("", description="Temporal task queue; empty: `mooring-` and the driver name.")
    worker_deployment: DeploymentName = Field(
        "", description="Worker Deployment of Temporal that this worker is a version of (docs/upgrade.md); empty: none."
    )
    worker_build_id: BuildId = Field("", description="Build id of that version; empty: Mooring's own version.")
    kubernetes: KubernetesMode = Field(
        KubernetesMode.AUTO, description="`auto`: KUBECONFIG, else in-cluster; `off`: in memory only."
    )
    missing_pv: MissingPv = Field(MissingPv.TOLERATE, description="Publish of a volume without a PV: `tolerate` or `reject`.")
    node_check: NodeCheck = Field(
        NodeCheck.CSINODE,
        description="Node ids to publish to: those in CSINodes (`csinode`), names of Nodes (`node`), any (`off`).",
    )
    payload_codec: str = Field(
        "", description="`package.module:factory` of a payload codec, which encrypts what histories hold; empty: none."
    )
    backend: str = Field("none", description="`none`, or `package.module:factory` of a Backend (mooring/backend.py).")
    csi_endpoint: UnixSocket = Field("", description="CSI endpoint to serve, `unix:///path`; empty: none.")
    at_once: bool = Field(
        True,
        description="Do an undisturbed operation in its first workflow task; `false` before a way back to 0.1.0, which can't.",
    )
    sandbox: bool = Field(False, description="Run workflows in the sandbox of the SDK, which the tests do; it costs CPU time.")
    csi_only: bool = Field(False, description="Serve the CSI endpoint alone; workers elsewhere carry out the operations.")
    driver_endpoint: UnixSocket = Field("", description="CSI driver behind the endpoint, `unix:///path`; it is the backend then.")
    adopt: bool = Field(
        True,
        description=(
            "Use VolumeAttachments: record existing attachments at the start, and take them as evidence if a record vanished."
        ),
    )
    adopt_interval: Seconds = Field(10, description="Pause between two looks at the volumes in doubt, which can't be recorded.")
    clock_skew: Seconds = Field(
        10,
        description=(
            "Difference allowed between the clocks of Temporal and the API server: times closer than that decide no "
            "adoption and outdate no evidence."
        ),
    )
    http_address: Address = Field("127.0.0.1:9440", description="host:port of /livez, /readyz and /metrics; port 0 picks one.")
    attempt_timeout: Seconds = Field(10, description="One attempt of a step that talks to Kubernetes.")
    heartbeat_timeout: Seconds = Field(2, description="Silence after which a running attempt counts as lost.")
    publish_budget: Seconds = Field(120, description="All attempts of one step of a publish; then it is rolled back.")
    clear_budget: Seconds = Field(60, description="All attempts to clear the record at unpublish; then it ends with a warning.")
    backend_timeout: Seconds = Field(60, description="One call of the backend.")
    backend_budget: Seconds = Field(300, description="All calls of one backend step; then it fails (a publish is rolled back).")
    activity_slots: int = Field(
        200,
        ge=4,
        le=1000,
        description="Steps of operations that one worker carries out at once, the backend's calls among them.",
    )
    retry_interval_max: Seconds = Field(10, ge=0.2, description="Longest pause between two attempts.")
    conflicts_max: int = Field(10, ge=3, description="Repeated decisions of one step after the record has changed.")
    request_timeout: Seconds = Field(5, description="One request to the API server.")
    page_size: int = Field(5000, ge=1, description="PVs a page when the index is rebuilt.")
    log_level: LogLevel = Field("INFO", description="Least severe level that is logged, to standard error.")
    log_format: LogFormat = Field("text", description="Form of the log: `text` for people, or `json`, one object a line.")
    reconcile_interval: float = Field(
        300, ge=0, le=86400, description="Pause between two reconciliations of records, cluster and backend; 0: none."
    )
    reconcile_settle: Seconds = Field(30, description="Pause between the two looks that must show a drift before it counts.")
    heal: HealMode = Field(HealMode.SAFE, description="Heals that reconciliations make: those that are `safe`, or none (`off`).")
    drift_guard: int = Field(50, ge=0, description="Heals that one reconciliation makes without an operator's approval.")
    approval_wait: Seconds = Field(3600, description="Time for which a reconciliation waits for that approval.")
    migration_nodes: int = Field(
        0,
        ge=0,
        description=(
            "Nodes that may hold a ReadWriteMany block volume at once, while it migrates live; 0: any number, and none is watched."
        ),
    )
    migration_deadline: float = Field(
        3600,
        ge=0,
        le=86400,
        allow_inf_nan=False,
        description="Time that a live migration may take before it is reported as overdue; 0: no limit.",
    )
    evacuate: EvacuateMode = Field(
        EvacuateMode.AUTO, description="Evacuate a node that is deleted or out of service: `auto`, or only by command (`off`)."
    )
    evacuate_at_once: int = Field(10, ge=1, le=100, description="Volumes that one evacuation releases at once.")
    node_gone: Seconds = Field(300, description="Time for which a Node must have been gone to count as dead.")
    events: EventsMode = Field(EventsMode.ALL, description="Kubernetes Events to write: `all`, `warnings` or `off`.")
    drain_timeout: Seconds = Field(30, description="Time that running attempts have to finish after SIGTERM.")

    @model_validator(mode="after")
    def _attempts_outlast_requests(self) -> Settings:
        if self.request_timeout >= self.attempt_timeout:
            raise ValueError(
                "MOORING_REQUEST_TIMEOUT must be shorter than MOORING_ATTEMPT_TIMEOUT, or no attempt ever reports why it failed"
            )
        return self

    @model_validator(mode="after")
    def _one_backend(self) -> Settings:
        if self.driver_endpoint and self.backend != "none":
            raise ValueError("MOORING_DRIVER_ENDPOINT makes the driver the backend, so MOORING_BACKEND must be `none`")
        return self

    @model_validator(mode="after")
    def _something_to_do(self) -> Settings:
        if self.csi_only and not self.csi_endpoint:
            raise ValueError("MOORING_CSI_ONLY needs MOORING_CSI_ENDPOINT")
        return self

    @property
    def queue(self) -> str:
        """The task queue that all workers of the driver share."""
        return self.task_queue or default_task_queue(self.driver)

    def limits(self, *, search_attributes: bool, backend: bool) -> OperationLimits:
        """Return the part of these settings, and of its worker's abilities, that an operation gets.

        `search_attributes`: the namespace knows Mooring's; `backend`: there is a backend to attach with.
        """
        return OperationLimits(
            attempt_timeout=self.attempt_timeout,
            heartbeat_timeout=self.heartbeat_timeout,
            publish_budget=self.publish_budget,
            clear_budget=self.clear_budget,
            backend_timeout=self.backend_timeout,
            backend_budget=self.backend_budget,
            retry_interval_max=self.retry_interval_max,
            conflicts_max=self.conflicts_max,
            reject_missing_pv=self.missing_pv is MissingPv.REJECT,
            search_attributes=search_attributes,
            backend=backend,
            migration_nodes=self.migration_nodes,
            migration_deadline=self.migration_deadline,
        )

    def reconcile_options(self, *, search_attributes: bool) -> ReconcileOptions:
        """Return the part of these settings that a reconciliation gets; `search_attributes`: the namespace knows Mooring's."""
        return ReconcileOptions(
            settle=self.reconcile_settle,
            guard=self.drift_guard,
            approval_wait=self.approval_wait,
            heal=self.heal is HealMode.SAFE,
            search_attributes=search_attributes,
        )


def default_task_queue(driver: str) -> str:
    """Return the task queue of a driver's workers if no setting names another."""
    return f"mooring-{driver}"


class InvalidSettings(ValueError):
    """Settings that no worker can run with: a sentence for each variable, with its value and the rule."""


def read_settings(**given: Any) -> Settings:
    """Read the settings from the environment; those that are `given` come before it.

    Raises:
        InvalidSettings: a value breaks a rule.

    """
    try:
        return Settings(**given)
    except ValidationError as error:
        raise InvalidSettings(" ".join(map(_sentence, error.errors()))) from None


def misspelt(environ: Iterable[str]) -> list[str]:
    """Return a sentence for each of these variables whose name is almost that of a setting.

    NB: others with the prefix are none of ours: Kubernetes sets MOORING_PORT and its like where there is a Service named mooring.
    """
    known = [name.upper() for name in Settings.model_fields]
    given = sorted(name.removeprefix(PREFIX) for name in environ if name.startswith(PREFIX))
    meant = ((name, get_close_matches(name, known, 1, ALIKE)) for name in given if name not in known)
    return [
        f"{PREFIX}{name} is not a setting and has no effect; did you mean {PREFIX}{close[0]}?" for name, close in meant if close
    ]


def _sentence(fault: ErrorDetails) -> str:
    if not fault["loc"]:
        return f"{rule(fault)}."
    return f"{PREFIX}{str(fault['loc'][0]).upper()} is {reprlib.repr(fault['input'])}; it {rule(fault)}."
