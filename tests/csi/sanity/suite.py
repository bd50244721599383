"""csi-sanity, the CSI project's own conformance suite, run against an endpoint."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mooring.devstack.kubernetes.programs import program

RUN_SECONDS: Final = 90


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of each spec: its name -> its state and why; a name is that of its containers and its own."""

    specs: dict[str, tuple[str, str]]

    def named(self, state: str) -> set[str]:
        """Return the names of the specs that `passed`, `failed`, were `skipped` or are `pending`."""
        return {name for name, (found, _) in self.specs.items() if found == state}

    def why(self, name: str) -> str:
        """Return csi-sanity's reason for a spec that did not pass."""
        return self.specs[name][1]

    def states(self) -> dict[str, str]:
        """Return each spec's state, by its name."""
        return {name: state for name, (state, _) in self.specs.items()}


async def run_sanity(assets: Path, folder: Path, endpoint: str, *flags: str) -> Report:
    """Run the whole suite, in `folder`."""
    found = folder / "report.json"
    paths = (f"-csi.endpoint={endpoint}", f"-csi.mountdir={folder}/mount", f"-csi.stagingdir={folder}/staging")
    with (folder / "csi-sanity.log").open("wb") as log:
        suite = await asyncio.create_subprocess_exec(
            program(assets, "csi-sanity"), *paths, f"--ginkgo.json-report={found}", *flags, stdout=log, stderr=log, cwd=folder
        )
        try:
            async with asyncio.timeout(RUN_SECONDS):
                await suite.wait()
        finally:
            if suite.returncode is None:
                suite.kill()
                await suite.wait()
    return Report(dict(_outcome(spec) for spec in json.loads(found.read_text())[0]["SpecReports"] if spec["LeafNodeType"] == "It"))


def _outcome(spec: dict[str, Any]) -> tuple[str, tuple[str, str]]:
    name = ": ".join((*(spec["ContainerHierarchyTexts"] or ()), spec["LeafNodeText"]))
    return name, (spec["State"], spec.get("Failure", {}).get("Message", ""))
