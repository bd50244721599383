"""The user's own code, by the name that a setting gives it.

Contract: `package.module:factory` is imported when it is asked for, and nothing of Mooring's own can be named.
"""

from __future__ import annotations

import importlib
import traceback
from typing import Any, Final

OURS: Final = ("worker", "workflows", "activities")
"""Modules that are Mooring's own in the process of a worker."""


def load(variable: str, name: str, what: str) -> Any:
    """Return the product of the factory that the variable names; `what` says what that is.

    Raises:
        ValueError: no such factory.

    """
    module, _, factory = name.partition(":")
    if module.partition(".")[0] in OURS:
        raise ValueError(f"{variable}={name} names a module of Mooring's own; give yours another name than {', '.join(OURS)}.")
    try:
        return getattr(importlib.import_module(module), factory)()
    except Exception as error:  # NB: the user's code raises what it likes
        why = f"{type(error).__name__}: {error}{_place(error)}"
        raise ValueError(f"{variable}={name} names no {what} ({why}); it must be `package.module:factory`.") from error


def _place(error: Exception) -> str:
    """Return the place in the user's code, or nothing if it was not reached. NB: Python's own frames are `<frozen ...>`."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    return f"; {frames[-1].filename}, line {frames[-1].lineno}" if frames[-1].filename != __file__ else ""
