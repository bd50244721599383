"""Each file that a folder of binaries lacks is named, with what to do about it."""

from pathlib import Path

import pytest

from mooring.devstack.kubernetes import RealKubernetes
from mooring.devstack.kubernetes.programs import program
from mooring.devstack.process import StackError


def test_a_program_is_where_it_was_built(tmp_path: Path) -> None:
    built = tmp_path / "mock-driver"
    built.touch(mode=0o755)
    assert program(tmp_path, "mock-driver") == built


@pytest.mark.parametrize("mode", [None, 0o644], ids=["missing", "no program"])
def test_what_is_not_there_is_named_with_what_builds_it(tmp_path: Path, mode: int | None) -> None:
    if mode is not None:
        (tmp_path / "csi-attacher").touch(mode=mode)
    with pytest.raises(StackError, match=f"KUBEBUILDER_ASSETS={tmp_path} has no csi-attacher: .* `make kube`"):
        program(tmp_path, "csi-attacher")


async def test_an_api_server_without_its_binaries_fails_at_once(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="has no etcd"):
        async with RealKubernetes.start(tmp_path, tmp_path):
            pytest.fail("it can't have started")
