"""Folders that never outlive this process, however it ends.

Each has a shell of its own that waits for its standard input to close, as in process.py, and then removes the folder.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

# NB: after a crash the children that write there are still ending, and may add a file while their folder is being emptied.
REMOVE: Final = """
read -r _
tries=100
until rm -rf "$1" 2>&- || [ $((tries -= 1)) = 0 ]; do sleep 0.1; done
"""


@contextmanager
def own_folder(name: str) -> Iterator[Path]:
    """Create a folder for temporary files while the block lasts, open to its owner alone; its name begins with `name`."""
    folder = Path(mkdtemp(prefix=f"{name}-"))
    remove = ["sh", "-c", REMOVE, "remove", str(folder)]
    with subprocess.Popen(remove, stdin=subprocess.PIPE, start_new_session=True):  # noqa: S603 - all of it is ours
        yield folder
