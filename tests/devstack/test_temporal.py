"""The dev server is real, answers before it is handed out, and is gone afterwards."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from mooring.devstack.ports import HOST, free_port
from mooring.devstack.process import StackError
from mooring.devstack.temporal import DevTemporal


async def test_a_client_can_use_it_at_once() -> None:
    async with DevTemporal.start() as temporal:
        client = await temporal.connect()
        assert await client.count_workflows() is not None


async def test_it_is_gone_after_its_block() -> None:
    async with DevTemporal.start() as temporal:
        pass
    assert temporal.child.ended
    with pytest.raises(RuntimeError):
        await temporal.connect()


async def test_it_listens_where_it_is_told() -> None:
    port = free_port()
    async with DevTemporal.start(port=port) as temporal:
        assert temporal.address == f"{HOST}:{port}"
        assert temporal.ui_url is None


async def test_its_ui_is_there_where_it_is_wanted() -> None:
    async with DevTemporal.start(ui_port=0) as temporal, aiohttp.ClientSession() as session:
        answer = await session.get(f"{temporal.ui_url}/namespaces/default/workflows")
        assert answer.status == 200


async def test_what_a_database_keeps_is_there_in_the_next_server(tmp_path: Path) -> None:
    database = tmp_path / "temporal.db"
    async with DevTemporal.start(database=database) as temporal:
        client = await temporal.connect()
        await client.start_workflow("Any", id="kept", task_queue="none")
    async with DevTemporal.start(database=database) as temporal:
        client = await temporal.connect()
        assert (await client.get_workflow_handle("kept").describe()).id == "kept"


async def test_a_taken_port_is_named_and_why(tmp_path: Path) -> None:
    taken = await asyncio.start_server(lambda _, writer: writer.close(), HOST, 0)
    async with taken:
        port = taken.sockets[0].getsockname()[1]
        with pytest.raises(StackError, match=f"{HOST}:{port} ended"):
            async with DevTemporal.start(port=port, folder=tmp_path):
                pytest.fail("it can't have started")
