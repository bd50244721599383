"""The cost of an operation elsewhere: CPU seconds by process, and requests that the API server counts."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

import aiohttp

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_COUNTED: Final = re.compile(r"^apiserver_request_total\{(.*)\} (\S+)$", re.MULTILINE)
READS: Final = frozenset({"GET", "LIST"})


def cpu(pid: int) -> float:
    """Return the CPU seconds that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


async def requests(http: aiohttp.ClientSession) -> tuple[int, int]:
    """Return how often PersistentVolumes were written and read so far, watches apart."""
    async with http.get("/metrics") as answer:
        found = _COUNTED.findall(await answer.text())
    writes = reads = 0
    for labels, count in found:
        if 'resource="persistentvolumes"' in labels:
            verb = labels.split('verb="')[1].split('"')[0]
            writes += int(float(count)) if verb == "PATCH" else 0
            reads += int(float(count)) if verb in READS else 0
    return writes, reads
