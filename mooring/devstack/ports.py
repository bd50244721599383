"""Ports on loopback for servers that must be told theirs."""

import socket
from typing import Final

HOST: Final = "127.0.0.1"


def free_port(preferred: int = 0) -> int:
    """A port that is free now: `preferred`, or another where that is taken.

    NB: another process may take it before it is used; the server then fails to start, and says so.
    """
    try:
        return _bound(preferred)
    except OSError:
        return _bound(0)


def _bound(port: int) -> int:
    with socket.create_server((HOST, port)) as bound:
        taken: int = bound.getsockname()[1]
        return taken
