"""One certificate authority a session; a server and a folder a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.kubernetes.credentials.api import serving
from tests.kubernetes.credentials.authority import Authority, Certificate
from tests.kubernetes.credentials.clock import Hands
from tests.kubernetes.credentials.scene import Scene

NAMES = "IP:127.0.0.1,DNS:kube.example"


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that server and clients trust."""
    return Authority.create(tmp_path_factory.mktemp("pki") / "authority")


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that nobody trusts."""
    return Authority.create(tmp_path_factory.mktemp("pki") / "stranger")


@pytest.fixture(scope="session")
def served(authority: Authority) -> Certificate:
    """The server's certificate."""
    return authority.issue("server", alternatives=NAMES)


@pytest.fixture(scope="session")
def alice(authority: Authority) -> Certificate:
    """A client's certificate."""
    return authority.issue("alice")


@pytest.fixture(scope="session")
def bob(authority: Authority) -> Certificate:
    """Another client's certificate."""
    return authority.issue("bob")


@pytest.fixture
async def scene(
    tmp_path: Path, authority: Authority, stranger: Authority, served: Certificate, alice: Certificate
) -> AsyncIterator[Scene]:
    """A server with TLS, one without, and an empty folder."""
    folder = tmp_path / "kube"
    folder.mkdir()
    async with serving(served, authority) as api, serving() as plain:
        yield Scene(folder, api, plain, authority, stranger, alice)


@pytest.fixture(scope="session")
def kubectl(assets: Path) -> str:
    """The kubectl of the real Kubernetes."""
    return str(assets / "kubectl")


@pytest.fixture
def hands() -> Hands:
    """The hands of the clock by which credentials are renewed."""
    return Hands()
