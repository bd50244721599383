"""Runs the driver until it is killed."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime

import grpc.aio

from mooring.csi.wire import csi_pb2_grpc
from tests.harness.driver.controller import Controller
from tests.harness.driver.echo import Echo
from tests.harness.driver.faults import Passage
from tests.harness.driver.identity import Identity
from tests.harness.driver.journal import Journal, read_entries
from tests.harness.driver.options import Options, read_options
from tests.harness.driver.orders import OrderBook, OrderFile
from tests.harness.driver.storage import Storage


async def serve(options: Options) -> None:
    """Read the journal, and serve."""
    journal = Journal(options.journal, lambda: datetime.now(UTC))
    entries = read_entries(options.journal)
    passage = Passage(journal, OrderBook(OrderFile(options.orders), entries))
    server = grpc.aio.server()
    csi_pb2_grpc.add_IdentityServicer_to_server(Identity(options.name), server)
    csi_pb2_grpc.add_ControllerServicer_to_server(Controller(Storage(journal, entries, options), passage, options, entries), server)
    server.add_generic_rpc_handlers((Echo(),))
    server.add_insecure_port(options.endpoint)
    await server.start()
    await server.wait_for_termination()


asyncio.run(serve(read_options(sys.argv[1:])))
