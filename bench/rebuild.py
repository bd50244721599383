"""The cost of a rebuild, beside a Go program that lists the same PVs: `make bench-rebuild`, `python -m bench.rebuild [count ...]`.

On a real API server, over TLS, with a writer at work all the while: Mooring's rebuild and kube/list-volumes by turns, each in a
process of its own; then three rebuilds at once, whose watches are followed on. In the end their indexes are compared with a fresh
list. Exits 1 if they have missed anything.

client-go's typed clients ask for protobuf and compression by default, and so does Mooring.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from bench.processes import Rebuilder, list_volumes
from bench.pvs import create
from bench.rebuilder import Run
from bench.writer import Records, writing, written
from mooring.devstack.folders import own_folder
from mooring.devstack.kubernetes import ApiServer, RealKubernetes
from mooring.settings import Settings

SIZES: Final = (20_000,)
ROUNDS: Final = 5
PAGE_SIZE: Final = int(Settings.model_fields["page_size"].default)
GO_PAGES: Final = (500, 1000, 2000, 5000, 0)
GO_VARIANTS: Final = {"": (), ", uncompressed": ("-compress=false",), ", JSON": ("-protobuf=false",)}
AT_ONCE: Final = 3
WATCH_SECONDS: Final = 3.0
"""Seconds that one connection of a watch lasts here: few, so that the reflectors connect again while the writer writes."""
FOLLOW_SECONDS: Final = 10.0
CATCH_UP_SECONDS: Final = 30.0

Once = Callable[[], Awaitable[Run]]


@dataclass(frozen=True, slots=True)
class Bench:
    """The place and the way to measure. `program` None: without the Go program."""

    server: ApiServer
    kubeconfig: Path
    program: Path | None
    page_size: int = PAGE_SIZE
    rounds: int = ROUNDS
    follow_seconds: float = FOLLOW_SECONDS
    catch_up_seconds: float = CATCH_UP_SECONDS

    async def run(self, new: range) -> bool:
        """Measure with all PVs up to the last of the `new` ones, which are written to, and return whether nothing was missed."""
        print(f"\n{new.stop:,} PVs, medians of {self.rounds} rounds; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
        async with AsyncExitStack() as stack:
            reflectors = [await stack.enter_async_context(self._rebuilder(WATCH_SECONDS)) for _ in range(AT_ONCE)]
            async with writing(self.server, new) as writer:
                results = await self._by_turns()
                at_once = await asyncio.gather(*(reflector.rebuild() for reflector in reflectors))
                await asyncio.sleep(self.follow_seconds)
            print_table(results, at_once)
            return await self.nothing_missed(reflectors, writer.writes)

    async def _by_turns(self) -> dict[str, list[Run]]:
        """Run Mooring and the Go program's variants, one run of each a round, and return the runs by name."""
        kinds: dict[str, Once] = {f"Mooring, pages of {self.page_size:,}": self._once}
        if self.program is not None:
            kinds |= await self._go(self.program)
        results: dict[str, list[Run]] = {name: [] for name in kinds}
        for _ in range(self.rounds):
            for name, once in kinds.items():
                results[name].append(await once())
        return results

    async def _once(self) -> Run:
        async with self._rebuilder() as rebuilder:
            return await rebuilder.rebuild()

    async def _go(self, program: Path) -> dict[str, Once]:
        """Return the Go program's variants, at the page size at which it is quickest."""
        kubeconfig = self.kubeconfig

        def variant(page: int, flags: Sequence[str]) -> Once:
            return lambda: list_volumes(program, kubeconfig, page, flags)

        times = {page: median([(await variant(page, ())()).milliseconds for _ in range(3)]) for page in GO_PAGES}
        print("client-go, ms by page size:", ", ".join(f"{page or 'unpaged'}: {time:,.0f}" for page, time in times.items()))
        best = min(times, key=times.__getitem__)
        named = f"pages of {best:,}" if best else "unpaged"
        return {f"client-go, {named}{suffix}": variant(best, flags) for suffix, flags in GO_VARIANTS.items()}

    def _rebuilder(self, watch_seconds: float = 300) -> AbstractAsyncContextManager[Rebuilder]:
        return Rebuilder.start(self.kubeconfig, self.page_size, watch_seconds)

    async def nothing_missed(self, reflectors: Sequence[Rebuilder], writes: int) -> bool:
        """Compare the reflectors' indexes with a fresh list, print the outcome, and return whether they agree."""
        truth = await written(self.server)
        missed = [await self._missed(reflector, truth) for reflector in reflectors]
        for number, handles in enumerate(missed, 1):
            if handles:
                print(f"MISSED: index {number} is wrong about {len(handles):,} volumes, {handles[0]} for one.", file=sys.stderr)
        if not any(missed):
            print(f"Nothing missed: after {writes:,} writes the indexes of {len(truth):,} volumes say what the PVs say.")
        return not any(missed)

    async def _missed(self, reflector: Rebuilder, truth: Records) -> list[str]:
        """Return the volumes that differ in the index, once it has had time to catch up."""
        deadline = time.monotonic() + self.catch_up_seconds
        while True:
            index = await reflector.index()
            wrong = [handle for handle in truth.keys() | index.keys() if truth.get(handle) != index.get(handle)]
            if not wrong or time.monotonic() > deadline:
                return wrong
            await asyncio.sleep(0.5)


def print_table(results: Mapping[str, Sequence[Run]], at_once: Sequence[Run]) -> None:
    """Print a line for each kind of run, the first one compared with the others; `at_once` are those that ran together."""
    rows = {name: _median(runs) for name, runs in results.items()}
    rows[f"{len(at_once)} Moorings at once, the slowest"] = max(at_once, key=lambda run: run.milliseconds)
    mooring = next(iter(rows.values()))
    print(f"  {'':42}{'ms':>8}{'Mooring takes':>15}{'+MB at peak':>13}{'MB received':>13}{'stall ms':>10}{'its own':>9}")
    for name, run in rows.items():
        ratio = f"{mooring.milliseconds / run.milliseconds:.2f} times" if "client-go" in name else ""
        stalls = f"{run.stall:10.1f}{run.own_stall:9.1f}" if run.stall else ""
        print(f"  {name:42}{run.milliseconds:8,.0f}{ratio:>15}{run.over_base / 1e6:13.1f}{run.received / 1e6:13.1f}{stalls}")


def _median(runs: Sequence[Run]) -> Run:
    """Return each figure's median."""
    return Run(**{field: median([getattr(run, field) for run in runs]) for field in Run.__struct_fields__})


async def main(sizes: Sequence[int], rounds: int, assets: Path) -> int:
    """Measure each size, growing, and return 1 if anything was missed."""
    there, fine = 0, True
    with own_folder("mooring-bench") as folder:
        async with RealKubernetes.start(assets, folder) as kube:
            bench = Bench(kube.server(), kube.write_kubeconfig(folder / "kubeconfig"), assets / "list-volumes", rounds=rounds)
            for size in sorted(sizes):
                began, new = time.monotonic(), range(there, size)
                await create(bench.server, new)
                print(f"Made {len(new):,} PVs in {time.monotonic() - began:.0f} s.")
                there, fine = size, await bench.run(new) and fine
    return int(not fine)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.rebuild", description="What a rebuild costs, beside a Go program.")
    parser.add_argument("sizes", type=int, nargs="*", default=SIZES, help="how many PVs; several sizes one after the other")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="runs of each kind")
    return parser.parse_args()


if __name__ == "__main__":
    if "KUBEBUILDER_ASSETS" not in os.environ:
        sys.exit("Set KUBEBUILDER_ASSETS to the folder that kube/build.sh prints, as `make bench-rebuild` does.")
    found = _arguments()
    sys.exit(asyncio.run(main(found.sizes, found.rounds, Path(os.environ["KUBEBUILDER_ASSETS"]))))
