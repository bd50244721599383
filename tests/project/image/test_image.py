"""The image, built and run by a container engine: `mooring` in it works as nobody, on a read-only root and without any capability.

NB: it needs an engine that answers, and a base that is there: the Dockerfile's own, or the one that MOORING_IMAGE_BASE names.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from typing import Final

import aiohttp
import pytest

import mooring
from mooring.devstack.ports import HOST, free_port
from mooring.devstack.temporal import DevTemporal
from tests.harness.patience import PATIENCE
from tests.harness.repository import ROOT

BASE: Final = os.environ.get("MOORING_IMAGE_BASE") or re.findall(r"ARG BASE=(\S+)", (ROOT / "Dockerfile").read_text())[0]
BUILD_SECONDS: Final = 600
LARGEST_ADDITION: Final = 250_000_000
CONFINED: Final = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=host")

pytestmark = [pytest.mark.optional, pytest.mark.timeout(BUILD_SECONDS + 120)]


def run(*command: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds)


@pytest.fixture(scope="module")
def engine() -> str:
    """The command of a container engine that answers and has the base."""
    installed = [name for name in ("docker", "podman") if shutil.which(name)]
    answering = [name for name in installed if run(name, "info").returncode == 0]
    having = [name for name in answering if run(name, "image", "inspect", BASE).returncode == 0]
    if not having:
        pytest.skip(
            f"no container engine that has {BASE}: of docker and podman, {answering or 'none'} answers; the image is not built"
        )
    return having[0]


@pytest.fixture(scope="module")
def image(engine: str) -> Iterator[str]:
    """The image of this checkout."""
    name = f"mooring-test:{uuid.uuid4().hex[:10]}"
    built = run(engine, "build", "--network=host", f"--build-arg=BASE={BASE}", "--tag", name, str(ROOT), seconds=BUILD_SECONDS)
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]
    yield name
    run(engine, "rmi", "--force", name)


def size(engine: str, image: str) -> int:
    """Return the bytes of an image."""
    return int(run(engine, "image", "inspect", "--format={{.Size}}", image).stdout)


def test_mooring_is_on_its_path(engine: str, image: str) -> None:
    ran = run(engine, "run", "--rm", *CONFINED, "--entrypoint=sh", image, "-c", "id -u && mooring --version")
    assert ran.stdout.split() == ["65532", "mooring", mooring.__version__], ran.stderr


def test_it_adds_little_to_its_base(engine: str, image: str) -> None:
    assert size(engine, image) - size(engine, BASE) < LARGEST_ADDITION


async def test_it_serves_as_a_worker_and_checks_itself(engine: str, image: str, temporal: DevTemporal, driver: str) -> None:
    name, address = f"mooring-test-{uuid.uuid4().hex[:10]}", f"{HOST}:{free_port()}"
    settings = {**temporal.environ, "MOORING_DRIVER": driver, "MOORING_KUBERNETES": "off", "MOORING_HTTP_ADDRESS": address}
    environ = [f"--env={key}={value}" for key, value in settings.items()]
    assert run(engine, "run", "--detach", "--name", name, *CONFINED, *environ, image).returncode == 0
    try:
        await ready(f"http://{address}/readyz")
        published = run(engine, "exec", name, "mooring", "publish", "vol-1", "node-a")
        assert published.returncode == 0, published.stderr
    finally:
        run(engine, "rm", "--force", name)


async def ready(url: str) -> None:
    """Wait until a worker serves."""
    async with asyncio.timeout(PATIENCE), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(url) as answer:
                    if answer.ok:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.2)
