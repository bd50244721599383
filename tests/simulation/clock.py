"""An event loop on virtual time: nothing waits, time jumps to the next timer, and one run of it is like every other.

Contract: `time()` is in seconds since the epoch and moves only while nothing is ready. Callbacks run in the order in which they
became ready. A loop on which nothing can happen any more ends with `StalledError`. There are no sockets, threads or signals:
`run_in_executor` runs the function at once.

Not kept here: the order of sets of strings, which PYTHONHASHSEED decides, and clocks of the operating system that code may ask.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from asyncio import base_events
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

T = TypeVar("T")

START: Final = datetime(2030, 1, 1, tzinfo=UTC)
_MAX_NAMED: Final = 20


class StalledError(RuntimeError):
    """Nothing is ready and no timer is set: whatever the tasks wait for will never come."""


class VirtualTask(asyncio.Task[Any]):
    """A task whose place in a set depends on its number, and not on its address."""

    _numbers = itertools.count(1)

    def __init__(self, *given: Any, **named: Any) -> None:
        self._number = next(self._numbers)
        super().__init__(*given, **named)

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


class VirtualLoop(base_events.BaseEventLoop):
    """The loop; it begins at `start`."""

    _ready: Any
    _scheduled: Any
    _timer_cancelled_count: int
    _stopping: bool

    def __init__(self, start: datetime = START) -> None:
        super().__init__()
        self._time = start.timestamp()
        self.set_task_factory(_task)

    def time(self) -> float:
        return self._time

    def now(self) -> datetime:
        """Return the time as the wall clock shows it."""
        return START + timedelta(microseconds=round((self._time - START.timestamp()) * 1e6))

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override] # noqa: ARG002
        """Run the function before this returns."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def _run_once(self) -> None:
        """Move time, if nothing is ready, and run whatever is."""
        ready = self._ready
        self._drop_cancelled()
        if not ready:
            self._jump()
        while self._scheduled and self._scheduled[0]._when <= self._time:
            handle = heapq.heappop(self._scheduled)
            handle._scheduled = False
            ready.append(handle)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _drop_cancelled(self) -> None:
        while self._scheduled and self._scheduled[0]._cancelled:
            self._timer_cancelled_count -= 1
            heapq.heappop(self._scheduled)._scheduled = False
        if self._timer_cancelled_count > len(self._scheduled) // 2 > 50:
            self._scheduled = [handle for handle in self._scheduled if not handle._cancelled]
            heapq.heapify(self._scheduled)
            self._timer_cancelled_count = 0

    def _jump(self) -> None:
        if self._scheduled:
            self._time = max(self._time, self._scheduled[0]._when)
        elif not self._stopping:
            raise StalledError(f"Nothing is left to happen at {self.now().isoformat()}, and these wait: {_waiting(self)}.")

    def _write_to_self(self) -> None:
        """Do nothing: nobody waits in a selector."""

    def _process_events(self, event_list: Any) -> None:
        """Do nothing: there are no sockets."""


def run(main: Coroutine[Any, Any, T], start: datetime = START) -> T:
    """Run a coroutine to its end on a loop of its own."""
    with loop_at(start) as loop:
        return loop.run_until_complete(main)


@contextmanager
def loop_at(start: datetime = START) -> Iterator[VirtualLoop]:
    """Give a loop that is closed with the block; its tasks are dropped where they are."""
    loop = VirtualLoop(start)
    VirtualTask._numbers = itertools.count(1)
    try:
        yield loop
    finally:
        _drop(loop)
        loop.close()


def now() -> datetime:
    """Return the running loop's time, as `datetime.now(UTC)` does outside."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        raise TypeError("There is no virtual time on this loop.")
    return loop.now()


def _task(loop: asyncio.AbstractEventLoop, coro: Any, **named: Any) -> VirtualTask:
    return VirtualTask(coro, loop=loop, **named)


def _waiting(loop: asyncio.AbstractEventLoop) -> str:
    names = [f"{task.get_name()} ({task.get_coro()})" for task in _tasks(loop)]
    return "; ".join(names[:_MAX_NAMED]) or "nobody"


def _tasks(loop: asyncio.AbstractEventLoop) -> list[VirtualTask]:
    return sorted((task for task in asyncio.all_tasks(loop) if isinstance(task, VirtualTask)), key=hash)


def _drop(loop: VirtualLoop) -> None:
    """Cancel all tasks, in their order, and let them end."""
    tasks = _tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
