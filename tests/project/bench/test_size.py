"""The bench of sizes: its table, on few volumes."""

from __future__ import annotations

import pytest

from bench.size import CPU, RELEASED, Load, line, main


def test_a_cost_that_grows_with_the_volumes_though_it_should_not_is_missed() -> None:
    assert line(RELEASED, few=10.0, many=13.0).endswith("1.30   <= 1.2   MISSED")


def test_a_cost_that_stays_is_not() -> None:
    assert line(CPU, few=10.0, many=11.0).endswith("1.10   <= 1.2")


def test_what_may_grow_is_not_judged() -> None:
    assert line("memory", few=10.0, many=90.0).endswith("9.00")


async def test_fewer_volumes_than_there_are_in_the_beginning_are_refused() -> None:
    with pytest.raises(ValueError, match="There are 4502 PVs in the beginning"):
        await main(1000, Load())


async def test_the_bench_runs_to_its_end(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)

    await main(100, Load(failures=1, lost=4, workers=1))

    printed = capsys.readouterr().out
    assert RELEASED in printed
    assert "a PV more in a worker's memory" in printed
