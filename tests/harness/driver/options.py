"""The driver's command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Options:
    """Options as given; `attach_limit` 0: none, and without an `expected_secret` requests may carry whichever they like."""

    endpoint: str
    journal: Path
    orders: Path
    name: str
    attach_limit: int
    heedless: bool
    expected_secret: str


def read_options(arguments: Sequence[str]) -> Options:
    """Parse them; end the process if they are wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.harness.driver", description="A CSI driver that keeps a journal.")
    parser.add_argument("--endpoint", required=True, help="where to serve: unix:///path")
    parser.add_argument("--journal", required=True, type=Path, help="the file that remembers what is attached")
    parser.add_argument("--orders", required=True, type=Path, help="the file that says what to do to calls")
    parser.add_argument("--name", default="reference.csi.example", help="the driver's name")
    parser.add_argument("--attach-limit", default=0, type=int, metavar="N", help="volumes a node; 0: any number")
    parser.add_argument("--heedless", action="store_true", help="take a call whatever its fencing token")
    parser.add_argument("--expect-secret", default="", dest="expected_secret", metavar="SECRET",
                        help="refuse calls whose secrets aren't {'secret': SECRET}")  # fmt: skip
    return Options(**vars(parser.parse_args(arguments)))
