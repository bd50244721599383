"""How a process that has used Temporal ends."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import NoReturn


def end(code: int) -> NoReturn:
    """End the process with this exit code, without taking the interpreter down first.

    NB: threads of temporalio's core may still be at work, and abort the process when they come back to an interpreter that is
    going down: the exit code would then be 134 or 139.
    """
    logging.shutdown()
    with suppress(BrokenPipeError):
        sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
