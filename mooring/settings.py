"""Every setting of a worker: its environment variable, its default, what it bounds.

Contract: `Settings()` reads the environment once; nothing else in Mooring does, but for what belongs to others: TEMPORAL_* and the
Temporal CLI's profiles (`temporalio.envconfig`), KUBECONFIG. The variable of a field is `MOORING_` and its name in capitals.

Not kept here: how an operation runs under these bounds (workflows/).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from mooring.models import DEFAULT_DRIVER, DriverName, Limits

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
Seconds = Annotated[float, Field(gt=0, le=86400, allow_inf_nan=False)]


class KubernetesMode(StrEnum):
    """Where the records are kept."""

    AUTO = "auto"
    OFF = "off"


class MissingPv(StrEnum):
    """What a publish does about a volume that has no PV yet."""

    TOLERATE = "tolerate"
    REJECT = "reject"


class Settings(BaseSettings):
    """A worker's settings; durations are in seconds."""

    model_config = SettingsConfigDict(env_prefix="MOORING_", frozen=True, extra="ignore", hide_input_in_errors=True)

    driver: DriverName = Field(
        DEFAULT_DRIVER, description="CSI driver name: prefix of the annotations and part of every workflow id."
    )
    task_queue: str = Field("", description="Temporal task queue; empty: `mooring-` and the driver name.")
    kubernetes: KubernetesMode = Field(
        KubernetesMode.AUTO, description="`auto`: KUBECONFIG, else in-cluster; `off`: in memory only."
    )
    missing_pv: MissingPv = Field(MissingPv.TOLERATE, description="Publish of a volume without a PV: `tolerate` or `reject`.")
    backend: str = Field("none", description="`none`, or `package.module:factory` of a Backend (mooring/backend.py).")
    http_address: str = Field("127.0.0.1:9440", description="host:port of /livez, /readyz and /metrics; port 0 picks one.")
    attempt_timeout: Seconds = Field(10, description="One attempt of a step that talks to Kubernetes.")
    heartbeat_timeout: Seconds = Field(5, description="Silence after which a running attempt counts as lost.")
    publish_budget: Seconds = Field(120, description="All attempts of one step of a publish; then it is rolled back.")
    clear_budget: Seconds = Field(60, description="All attempts to clear the record at unpublish; then it ends with a warning.")
    backend_timeout: Seconds = Field(60, description="One call of the backend.")
    backend_budget: Seconds = Field(300, description="All calls of one backend step; then it fails (a publish is rolled back).")
    retry_interval_max: Seconds = Field(10, ge=0.2, description="Longest pause between two attempts.")
    conflicts_max: int = Field(10, ge=3, description="How often one step decides anew because the record had changed.")
    request_timeout: Seconds = Field(5, description="One request to the API server.")
    page_size: int = Field(500, ge=1, description="PVs a page when the index is rebuilt.")
    log_level: LogLevel = Field("INFO", description="Least severe level that is logged, to standard error.")
    drain_timeout: Seconds = Field(30, description="How long running attempts may finish after SIGTERM.")

    @model_validator(mode="after")
    def _attempts_outlast_requests(self) -> Settings:
        if self.request_timeout >= self.attempt_timeout:
            raise ValueError(
                "MOORING_REQUEST_TIMEOUT must be shorter than MOORING_ATTEMPT_TIMEOUT, or no attempt ever reports why it failed"
            )
        return self

    @property
    def queue(self) -> str:
        """The task queue that all workers of the driver share."""
        return self.task_queue or default_task_queue(self.driver)

    def limits(self, *, search_attributes: bool) -> Limits:
        """What an operation is told of these settings; `search_attributes`: whether the namespace knows Mooring's."""
        return Limits(
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
            backend=self.backend != "none",
        )


def default_task_queue(driver: str) -> str:
    """The task queue of a driver's workers where no setting names another."""
    return f"mooring-{driver}"
