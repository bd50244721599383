"""Payloads as Mooring's clients and workers convert them, by one converter for all, which needs no other for each run and step.

NB: the SDK makes a converter for each activation, and that one works out each type anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self, cast

from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import DataConverter, DefaultFailureConverter

if TYPE_CHECKING:
    from temporalio.api.failure.v1 import Failure
    from temporalio.converter import PayloadConverter, SerializationContext

_SHARED: Final = PydanticPayloadConverter()


@dataclass(frozen=True)
class ContextFreeConverter(DataConverter):
    """A converter that is the same whatever it converts for."""

    def with_context(self, context: SerializationContext) -> Self:  # noqa: ARG002 - the SDK names it
        """Return the converter for a context."""
        return self

    def _with_contexts(self, *_: Any) -> Self:
        return self


class BareFailures(DefaultFailureConverter):
    """A converter that leaves out where in the code an error came from, which nobody reads in a simulated world."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        """Describe the error, and those that it comes of."""
        traceback, exception.__traceback__ = exception.__traceback__, None
        try:
            super().to_failure(exception, payload_converter, failure)
        finally:
            exception.__traceback__ = traceback


CONVERTER: Final = ContextFreeConverter(cast("type[PayloadConverter]", lambda: _SHARED), failure_converter_class=BareFailures)
