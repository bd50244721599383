"""The request of a workflow: read from its payload, or refused with a message."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import ValidationError
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

with workflow.unsafe.imports_passed_through():
    from mooring.errors import InvalidRequest
    from mooring.models import Model, faults
    from workflows.common.failures import failure

NOTHING = RawValue(Payload())
"""The request of a caller that sent none."""

M = TypeVar("M", bound=Model)


def read_request(model: type[M], request: RawValue) -> M:
    """Read the request in a workflow's payload.

    NB: an argument that can't be decoded would fail the workflow task, which is retried for ever; so it is decoded here.
    """
    try:
        return model.model_validate(_decoded(request))
    except ValidationError as error:
        what = f"{workflow.info().workflow_type} {workflow.info().workflow_id}"
        raise failure(InvalidRequest(f"{what} got a malformed request ({faults(error, 'payload')}).")) from None


def _decoded(request: RawValue) -> Any:
    try:
        return workflow.payload_converter().from_payload(request.payload)
    except Exception:  # an encoding that this worker doesn't know, or broken JSON, with whatever exception
        return None
