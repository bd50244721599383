"""MooringClient without a Temporal server: the caller gets the error that names what to check."""

from __future__ import annotations

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from mooring.client import MooringClient
from mooring.devstack.ports import HOST, free_port
from mooring.devstack.temporal import DevTemporal
from mooring.errors import TemporalUnavailable


async def test_a_server_that_was_never_there_is_told() -> None:
    client = await Client.connect(f"{HOST}:{free_port()}", lazy=True, data_converter=pydantic_data_converter)

    with pytest.raises(TemporalUnavailable, match=r"The publish of volume vol to node node-a .*Check TEMPORAL_ADDRESS"):
        await MooringClient(client).publish("vol", "node-a")


async def test_a_server_that_has_died_is_told_within_the_deadline() -> None:
    async with DevTemporal.start() as server:
        client = await server.connect()
        await server.child.kill()

    with pytest.raises(TemporalUnavailable, match=r"The publish of volume vol to node node-a .*Check TEMPORAL_ADDRESS"):
        await MooringClient(client).publish("vol", "node-a", deadline=3)
