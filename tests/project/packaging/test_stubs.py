"""The generated modules: those of the present wire contracts, for the runtimes that pyproject.toml admits, and Go's failures."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.harness.repository import ROOT

SERVICES = "mooring/csi/wire/csi_pb2_grpc.py"
MESSAGES = ["mooring/csi/wire/csi_pb2.py", "mooring/kubernetes/kube_pb2.py"]
FAILURES = "go/failures.go"
MODULES = sorted([*MESSAGES, SERVICES, *(f"{module}i" for module in [*MESSAGES, SERVICES]), FAILURES])
DEPENDENCIES = {
    each.name: each for each in map(Requirement, tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
}


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The modules that `make stubs` makes now; this interpreter's packages are used, and none are installed."""
    folder = tmp_path_factory.mktemp("stubs")
    command = ["make", "stubs", "--old-file=setup", f"BIN={Path(sys.executable).parent}", f"STUBS={folder}"]
    subprocess.run(command, cwd=ROOT, check=True, timeout=60)
    return folder


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_what_make_stubs_makes(generated: Path, module: str) -> None:
    assert (ROOT / module).read_bytes() == (generated / module).read_bytes(), "run `make stubs`"


def test_nothing_else_is_generated(generated: Path) -> None:
    assert sorted(str(path.relative_to(generated)) for path in generated.rglob("*.*")) == MODULES


@pytest.mark.parametrize("module", MESSAGES)
def test_no_runtime_is_admitted_that_refuses_the_messages(module: str) -> None:
    major, minor, patch = re.findall(r"^    (\d+),$", (ROOT / module).read_text(), re.MULTILINE)
    assert f">={major}.{minor}.{patch}" in str(DEPENDENCIES["protobuf"].specifier)


def test_no_runtime_is_admitted_that_refuses_the_services() -> None:
    found = re.search(r"^GRPC_GENERATED_VERSION = '(.+)'$", (ROOT / SERVICES).read_text(), re.MULTILINE)
    assert found
    assert f">={found[1]}" in str(DEPENDENCIES["grpcio"].specifier)
