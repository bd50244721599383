"""The user's own code, by the name that a setting gives it.

Contract: `package.module:factory` is imported when it is asked for, and nothing of Mooring's own can be named.
"""

from __future__ import annotations

import importlib
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
        raise ValueError(
            f"{variable}={name} names no {what} ({type(error).__name__}: {error}); it must be `package.module:factory`."
        ) from error
