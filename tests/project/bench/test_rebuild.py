"""The bench of the rebuild, on a few volumes: it measures, it compares, and it reports a volume that was missed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench.processes import Rebuilder, list_volumes
from bench.pvs import create
from bench.rebuild import Bench
from mooring.devstack.kubernetes import ApiServer, EmbeddedKubernetes

COUNT = 200


@pytest.fixture(scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    async with EmbeddedKubernetes.start() as kube:
        server = ApiServer(kube.url)
        await create(server, range(COUNT))
        kubeconfig = server.write_kubeconfig(tmp_path_factory.mktemp("bench") / "kubeconfig")
        yield Bench(server, kubeconfig, program=None, page_size=30, rounds=1, follow_seconds=0.2, catch_up_seconds=5)


async def test_an_index_that_lacks_volumes_is_reported(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    async with Rebuilder.start(bench.kubeconfig, page_size=30) as idle:
        assert not await Bench(bench.server, bench.kubeconfig, None, catch_up_seconds=0).nothing_missed([idle], writes=0)
    assert f"MISSED: index 1 is wrong about {COUNT} volumes" in capsys.readouterr().err


async def test_the_go_program_finds_what_mooring_finds(bench: Bench, assets: Path) -> None:
    async with Rebuilder.start(bench.kubeconfig, page_size=30) as rebuilder:
        mooring = await rebuilder.rebuild()
    go = await list_volumes(assets / "list-volumes", bench.kubeconfig, page_size=30)
    assert (go.volumes, go.attached) == (mooring.volumes, mooring.attached) == (COUNT, 67)


async def test_the_bench_runs_to_its_end_and_nothing_is_missed(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert await bench.run(range(COUNT))
    printed = capsys.readouterr().out
    assert "Mooring, pages of 30" in printed
    assert "3 Moorings at once" in printed
    assert "Nothing missed" in printed
