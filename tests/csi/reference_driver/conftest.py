"""Two reference drivers for all tests here; each test keeps to volumes, and where they are limited to nodes, of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.harness.csi_client import CsiClient, csi_client
from tests.harness.driver.handle import ReferenceDriver


@pytest.fixture(scope="package")
async def driver(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ReferenceDriver]:
    """A driver that ignores fencing tokens."""
    async with ReferenceDriver.start(tmp_path_factory.mktemp("driver"), "--heedless") as started:
        yield started


@pytest.fixture(scope="package")
async def caller(driver: ReferenceDriver) -> AsyncIterator[CsiClient]:
    """A connection to that driver."""
    async with csi_client(driver.endpoint) as found:
        yield found


@pytest.fixture(scope="package")
async def strict(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ReferenceDriver]:
    """A driver that enforces every rule it knows; a test may restart it."""
    rules = ("--attach-limit", "2", "--expect-secret", "canary", "--name", "strict.csi.example")
    async with ReferenceDriver.start(tmp_path_factory.mktemp("strict"), *rules) as started:
        started.expects_stragglers = True
        yield started


@pytest.fixture(scope="package")
async def strict_caller(strict: ReferenceDriver) -> AsyncIterator[CsiClient]:
    """A connection to that driver."""
    async with csi_client(strict.endpoint) as found:
        yield found
