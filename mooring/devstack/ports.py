"""Ports on loopback for servers that must be given theirs.

NB: they are below those that systems give to outgoing connections (Linux from 32768, macOS from 49152). A connection that somebody
opens before the server has started would take its port.
"""

import secrets
import socket
from typing import Final

HOST: Final = "127.0.0.1"
FREE: Final = range(20_000, 32_000)
TRIES: Final = 100


def free_port(preferred: int = 0) -> int:
    """Return a port that is free now: `preferred`, or another if that is taken.

    NB: another server may take it before it is used; this one then fails to start, and reports it.
    """
    if preferred and _is_free(preferred):
        return preferred
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Return different ports that are free now; the NB of `free_port` holds here as well. Raise OSError if there are none."""
    found: set[int] = set()
    for _ in range(count * TRIES):
        port = secrets.choice(FREE)
        if port not in found and _is_free(port):
            found.add(port)
        if len(found) == count:
            return list(found)
    raise OSError(f"no free port on {HOST} between {FREE.start} and {FREE.stop}, of {count * TRIES} that were tried")


def _is_free(port: int) -> bool:
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return False
    return True
