"""One attempt of an activity: it heartbeats, so that a cancellation reaches it, and its errors become Temporal failures.

Contract: a `MooringError` is raised as an `ApplicationError` whose type is the error's name, retried only if the error is retryable
or the activity has patience with it, benign if it is expected, with the attempt's number as its detail (1 for the very first one
alone; 0: attempts were before it, or part of the request is done). Any other error is raised as it is, and Temporal retries it.

Not kept here: the meaning of errors (mooring/errors.py).
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from mooring.errors import MooringError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def attempt(*, patient: bool = False, outlasts: type[MooringError] | None = None) -> AsyncIterator[None]:
    """Heartbeat while the block runs, and map its errors. A `patient` block has every error retried, any the one it `outlasts`."""
    beats = asyncio.create_task(_beat(_interval()))
    try:
        yield
    except MooringError as error:
        tolerated = outlasts is not None and isinstance(error, outlasts)
        raise to_failure(error, patient=patient or tolerated) from None  # the failure says it all; the UI would show it twice
    finally:
        beats.cancel()


def to_failure(error: MooringError, *, patient: bool = False, again: timedelta | None = None) -> ApplicationError:
    """Return the Temporal failure for the error; `again`: the time after which the next attempt is due."""
    return ApplicationError(
        str(error),
        0 if error.landed_in_part else _attempt(),
        type=error.type_name(),
        non_retryable=not (error.retryable or patient),
        next_retry_delay=again,
        category=ApplicationErrorCategory.BENIGN if error.expected else ApplicationErrorCategory.UNSPECIFIED,
    )


def _attempt() -> int:
    """Return the attempt's number, or 0 if it is counted from the beginning again.

    NB: a reset or unpaused activity begins at 1 again, with an attempt before it that may be under way; its schedule is older then.
    """
    info = activity.info()
    first = info.attempt > 1 or info.current_attempt_scheduled_time == info.scheduled_time
    return info.attempt if first else 0


def _interval() -> float:
    """Return the seconds between two heartbeats: a busy event loop may delay one by half of the timeout, and loses no attempt."""
    return (activity.info().heartbeat_timeout or timedelta(seconds=3)).total_seconds() / 4


async def _beat(interval: float) -> None:
    while not activity.info().is_local:  # a local activity has nobody to tell
        activity.heartbeat()
        await asyncio.sleep(interval)
