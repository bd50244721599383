"""The wait for a change that the index will show, with a look at the PV now and then all the same.

Contract: a worker that shuts down gives up the wait with an error that Temporal retries, so that another one waits on.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from temporalio import activity

if TYPE_CHECKING:
    from collections.abc import Callable

    from mooring.errors import MooringError

_SECONDS: Final = 0.5
_POLLS: Final = 120


async def poll(shows: Callable[[], bool], given_up: MooringError) -> None:
    """Return once the index `shows` it, after a moment at the earliest and a minute at the latest; raise `given_up` when the
    worker shuts down.

    NB: a caller that looks in a loop rests in each turn of it, whatever the index shows.
    """
    for _ in range(_POLLS):
        if activity.is_worker_shutdown():
            raise given_up
        await asyncio.sleep(_SECONDS)
        if shows():
            return
