"""The `mooring` command's entry point, for `python -m mooring` too.

NB: the command's modules take a while to import, and Ctrl-C in that time is no error either.
"""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command that the arguments name, and exit the process."""
    try:
        from mooring.cli.main import main as command

        command()
    except KeyboardInterrupt:
        from mooring.cli.exit_codes import ExitCode
        from mooring.process.exits import exit_process

        sys.stderr.write("Interrupted.\n")
        exit_process(ExitCode.INTERRUPTED)


if __name__ == "__main__":
    main()
