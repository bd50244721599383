"""The cost of an operation elsewhere: CPU seconds and memory by process, and requests that the API server counts."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import aiohttp

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_COUNTED: Final = re.compile(r"^apiserver_request_total\{(.*)\} (\S+)$", re.MULTILINE)
READS: Final = frozenset({"GET", "LIST"})


def cpu(*pids: int) -> float:
    """Return the CPU seconds that these processes and their children have taken, with those that have ended."""
    children = _children()
    family = [*pids, *(child for pid in pids for child in children[pid])]
    return sum(sum(map(int, _fields(pid)[11:15])) for pid in family) / _TICKS


def _children() -> Mapping[int, list[int]]:
    """Return every process's children."""
    found = defaultdict[int, list[int]](list)
    for each in Path("/proc").glob("[0-9]*"):
        if fields := _fields(int(each.name)):
            found[int(fields[1])].append(int(each.name))
    return found


def _fields(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on (proc(5)), or none if the process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def memory(pid: int) -> tuple[int, int]:
    """Return the bytes of memory that a process has, and the most that it had."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    now, peak = (int(lines[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
    return now, peak


def pid_of(program: str, argument: str) -> int:
    """Return the process of this program with this argument, or 0 if there is none.

    NB: a shell that watches over it has the same arguments.
    """
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command, *arguments = each.read_bytes().decode(errors="replace").split("\0")
        except OSError:  # it has just ended
            continue
        if Path(command).name == program and argument in arguments:
            return int(each.parent.name)
    return 0


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
