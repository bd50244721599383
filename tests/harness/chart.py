"""helm, the chart, and values of a user who wants everything."""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import PIPE
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from tests.harness.patience import PATIENCE
from tests.harness.repository import ROOT

CHART: Final = ROOT / "deploy" / "chart"
RELEASE: Final = "here"
NAMESPACE: Final = "storage"
PLAIN: Final = "ebs.csi.aws.com"
CSI: Final = "rds.csi.srvlab.io"
ALL: Final[Mapping[str, Any]] = {
    "drivers": [
        {"name": PLAIN, "settings": {"MOORING_NODE_CHECK": "node", "MOORING_PAGE_SIZE": 500}},
        {
            "name": CSI,
            "settings": {"MOORING_LOG_FORMAT": "text"},
            "csi": {"enabled": True, "driver": {"image": "example/driver:v1", "args": ["--endpoint=unix:///csi/csi.sock"]}},
        },
    ],
    "temporal": {"address": "temporal:7233", "existingSecret": "temporal-key", "tls": {"existingSecret": "temporal-tls"}},
    "settings": {"MOORING_NODE_CHECK": "off", "MOORING_EVENTS": "warnings"},
    "networkPolicy": {"enabled": True},
    "podMonitor": {"enabled": True},
    "prometheusRule": {"enabled": True, "runbookURL": "https://docs.test/0.1.0"},
    "dashboard": {"enabled": True},
}


@dataclass(frozen=True, slots=True)
class Ran:
    """The end of a command."""

    code: int
    printed: str
    said: str


@dataclass(frozen=True, slots=True)
class Helm:
    """The program; its own files are in a folder of the test's."""

    path: str
    folder: Path
    environ: Mapping[str, str] = field(default_factory=dict)

    async def ends(self, *arguments: str | Path, values: Mapping[str, Any] | None = None) -> Ran:
        """Run it to its end, with these values for the chart."""
        file = self.folder / "values.yaml"
        file.write_text(yaml.safe_dump(dict(values or {})))
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.folder), **self.environ}
        command = [self.path, *map(str, arguments), *(["--values", str(file)] if values is not None else [])]
        process = await asyncio.create_subprocess_exec(*command, env=environ, stdout=PIPE, stderr=PIPE)
        printed, said = await asyncio.wait_for(process.communicate(), PATIENCE)
        return Ran(process.returncode or 0, printed.decode(), said.decode())

    async def run(self, *arguments: str | Path, values: Mapping[str, Any] | None = None) -> str:
        """Run it to its end, which must be a success; return its output."""
        ran = await self.ends(*arguments, values=values)
        assert ran.code == 0, ran.said
        return ran.printed

    async def render(self, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the objects of the chart with these values."""
        rendered = await self.run("template", RELEASE, CHART, "--namespace", NAMESPACE, values=values)
        return [each for each in yaml.safe_load_all(rendered) if each]


def of_kind(objects: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Return the objects of a kind."""
    return [each for each in objects if each["kind"] == kind]


def pods(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the specs of all Pods that the objects make or are."""
    made = [each["spec"]["template"]["spec"] for each in of_kind(objects, "Deployment")]
    return made + [each["spec"] for each in of_kind(objects, "Pod")]
