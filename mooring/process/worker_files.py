"""The place of worker.py, workflows/ and activities/: beside this package in the sources, in a folder of it once it is installed.

Contract: they are found by the place of this package alone. Modules of their names in the working directory, on PYTHONPATH or
installed are somebody else's: they are never run, and hidden only in the process of a worker, where these names are Mooring's.
"""

from __future__ import annotations

import sys
from pathlib import Path

_INSTALLED = "_worker"


def worker_script() -> Path:
    """Return the path of worker.py, which has workflows/ and activities/ beside it."""
    package = Path(__file__).parents[1]
    installed = package / _INSTALLED
    return (installed if installed.is_dir() else package.parent) / "worker.py"


def import_worker_files() -> None:
    """Have this process find `worker`, `workflows` and `activities` as Mooring's own."""
    sys.path.insert(0, str(worker_script().parent))
