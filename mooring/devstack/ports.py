"""Ports on loopback for servers that must be given theirs."""

import socket
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

HOST: Final = "127.0.0.1"


def free_port(preferred: int = 0) -> int:
    """Return a port that is free now: `preferred`, or another if that is taken.

    NB: another process may take it before it is used; the server then fails to start, and reports it.
    """
    try:
        return _bound([preferred])[0]
    except OSError:
        return _bound([0])[0]


def free_ports(count: int) -> list[int]:
    """Return different ports that are free now; the NB of `free_port` holds here as well."""
    return _bound([0] * count)


def _bound(ports: Sequence[int]) -> list[int]:
    with ExitStack() as held:
        return [held.enter_context(socket.create_server((HOST, port))).getsockname()[1] for port in ports]
