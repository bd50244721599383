"""The metadata that every object has, of its fields those that every reader needs; a kind adds its own."""

from __future__ import annotations

import msgspec


class Metadata(msgspec.Struct, rename="camel", gc=False):
    """The metadata of an object."""

    name: str = ""
    resource_version: str = ""
