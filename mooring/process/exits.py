"""The exit of a process.

NB: apart from lifetime.py, since the command needs it, and would need asyncio with it for `mooring --help`.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import NoReturn


def exit_process(code: int) -> NoReturn:
    """Exit the process with this code, without tearing down the interpreter first.

    NB: threads of temporalio's core may still be at work, and abort the process when they return to an interpreter that is
    being torn down: the exit code would then be 134 or 139.
    """
    logging.shutdown()
    with suppress(BrokenPipeError):
        sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
