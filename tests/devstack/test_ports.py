"""Ports for servers of the development stack."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from mooring.devstack.ports import FREE, HOST, free_port, free_ports

OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_a_preferred_port_is_taken_if_it_is_free() -> None:
    preferred = free_port()

    assert free_port(preferred) == preferred


def test_another_is_taken_where_the_preferred_one_is_in_use() -> None:
    with socket.create_server((HOST, 0)) as server:
        taken = server.getsockname()[1]

        assert free_port(taken) not in (0, taken)


def test_several_are_different() -> None:
    assert len(set(free_ports(20))) == 20


@pytest.mark.optional
@pytest.mark.skipif(not OUTGOING.exists(), reason="this system doesn't say which ports its connections take")
def test_no_outgoing_connection_can_take_one_before_its_server_does() -> None:
    first, last = map(int, OUTGOING.read_text().split())

    assert not set(FREE) & set(range(first, last + 1))
