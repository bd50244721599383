"""The base of every model, and the names of volumes and nodes with their limits in bytes.

Contract: every model is frozen, refuses unknown fields and never shows its input in an error, because an input may carry what
must not be logged. Field names are part of the JSON that callers in other languages send: renaming one is a breaking change.

Not kept here: secrets. No model has a field for one, and an unknown field is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import to_json

DEFAULT_DRIVER = "rds.csi.srvlab.io"
VOLUME_HANDLE_BYTES = 1024
"""Bytes that a volume's handle may have to be published.

NB: CSI's limit of 128 bytes isn't enforced: Kubernetes passes any, and Azure's have 165.
"""
NODE_ID_BYTES = 256
"""Bytes that Kubernetes allows for a node id in a CSINode."""
MAP_BYTES = 1 << 20
"""Bytes that a map may have as JSON, in which it travels: half of the size that Temporal accepts of a payload."""


def at_most(limit: int) -> AfterValidator:
    """Return the check that a string has at most so many bytes."""

    def check(value: str) -> str:
        if len(value.encode()) > limit:
            raise ValueError(f"is longer than {limit} bytes")
        return value

    return AfterValidator(check)


DRIVER_NAME = r"[a-zA-Z0-9]([a-zA-Z0-9.-]{0,61}[a-zA-Z0-9])?"
"""CSI plugin name: at most 63 characters of a domain name, the first and the last alphanumeric (CSI spec, GetPluginInfo)."""


def _driver_name(value: str) -> str:
    if not re.fullmatch(DRIVER_NAME, value):
        raise ValueError("must have at most 63 letters, digits, dots and dashes, and begin and end with a letter or a digit")
    return value


DriverName = Annotated[str, AfterValidator(_driver_name)]

VolumeHandle = Annotated[str, StringConstraints(min_length=1)]
"""A handle of any length: existing attachments are reported, recorded and detached even if it is too long to be published."""
NodeId = Annotated[str, StringConstraints(min_length=1), at_most(NODE_ID_BYTES)]


class Model(BaseModel):
    """The base of all that travels: frozen, strict about unknown fields, silent about its input."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def map_bytes(given: Mapping[str, str]) -> int:
    """Return how much of `MAP_BYTES` a map takes."""
    return len(to_json(dict(given)))


def added(default: Any) -> Any:
    """Make a field of a later version; it is omitted at its default, because older workers refuse unknown fields."""
    return Field(default, exclude_if=lambda value: value == default)
