"""Work of the SDK that a simulated world is spared: what has no effect there, and what comes out as it did before.

Contract: whoever asks gets what the SDK would return, and may change none of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest
import temporalio.bridge.worker as bridge
import temporalio.converter
from google.protobuf.message import Message
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.client import ScheduleInfo, WorkflowExecution
from temporalio.converter._extstore import StorageOperationMetrics

from tests.simulation.temporal_server.payloads import CONVERTER

M = TypeVar("M", bound=Message)
T = TypeVar("T")


@contextmanager
def sparing() -> Iterator[None]:
    """Spare it while the block lasts."""
    with pytest.MonkeyPatch.context() as patch:
        for coder in ("decode_activation", "encode_completion"):
            patch.setattr(bridge, coder, _leave)  # NB: there is no codec, and the search for payloads is slow
        for decoder in ("decode_search_attributes", "decode_typed_search_attributes"):
            patch.setattr(temporalio.converter, decoder, _remembering(getattr(temporalio.converter, decoder)))
        patch.setattr(ScheduleInfo, "_from_proto", staticmethod(_remembering(ScheduleInfo._from_proto)))
        patch.setattr(WorkflowExecution, "_from_raw_info", classmethod(_listed()))
        yield


async def _leave(*_: Any, **__: Any) -> StorageOperationMetrics:
    return StorageOperationMetrics()


def _remembering(decode: Callable[[M], T]) -> Callable[[M], T]:
    """Return a decoder that remembers: most runs have the attributes that another one had."""
    known: dict[bytes, T] = {}

    def decoded(message: M) -> T:
        written = message.SerializeToString()
        if written not in known:
            known[written] = decode(message)
        return known[written]

    return decoded


def _listed() -> Callable[..., WorkflowExecution]:
    """Return what reads a run in a list, and remembers it: most runs are listed again and again, as they were."""
    read: Any = WorkflowExecution.__dict__["_from_raw_info"].__func__
    known: dict[bytes, WorkflowExecution] = {}

    def listed(
        cls: type[WorkflowExecution], info: WorkflowExecutionInfo, namespace: str, converter: Any, **more: Any
    ) -> WorkflowExecution:
        if more or converter is not CONVERTER:
            found: WorkflowExecution = read(cls, info, namespace, converter, **more)
            return found
        written = info.SerializeToString()
        if written not in known:
            known[written] = read(cls, info, namespace, converter)
        return known[written]

    return listed
