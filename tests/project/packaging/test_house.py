"""The house of the sources: its rooms, and the names in it."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.harness.repository import ROOT

MOST_ROOMS = 30
OUTSIDE = ("workflows", "activities", "worker.py", "bench")
"""The rooms beside those of `mooring/`."""


def sources() -> Iterator[Path]:
    for place in ("mooring", "workflows", "activities"):
        yield from (path for path in (ROOT / place).rglob("*.py") if not path.stem.endswith(("_pb2", "_pb2_grpc")))
    yield ROOT / "worker.py"


def test_a_class_name_has_one_meaning() -> None:
    places = defaultdict(list)
    for path in sources():
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(path.relative_to(ROOT)))

    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_there_are_no_more_rooms_than_a_stranger_can_walk_through() -> None:
    packages = [path.parent for path in (ROOT / "mooring").glob("*/__init__.py")]
    modules = [path for path in (ROOT / "mooring").glob("*.py") if path.stem != "__init__"]

    assert len(packages) + len(modules) + len(OUTSIDE) <= MOST_ROOMS
