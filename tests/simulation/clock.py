"""An event loop on virtual time: nothing waits, time jumps to the next timer, and one run of it is like every other.

Contract: `time()` is in seconds since the epoch and moves only while nothing is ready. Callbacks run in the order in which they
became ready. A loop on which nothing can happen any more ends with `StalledError`. There are no sockets, threads or signals:
`run_in_executor` runs the function at once.

A world ends with its `main`. After that no timer of `OUTSIDE` falls due and the simulated servers refuse everybody (`is_over`), so
what they have written stays as it was. Only then do tasks that are left run their clean-up.

Not kept here: the order of sets of strings, which PYTHONHASHSEED decides (nothing that runs here may depend on it, which
`test_deployed` shows), and clocks of the operating system that code may ask.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
from asyncio import base_events
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Context = contextvars.Context | None

START: Final = datetime(2030, 1, 1, tzinfo=UTC)
_START: Final = START.timestamp()
_MAX_NAMED: Final = 20
_ROUNDS: Final = 50
_CLEAN_UP_SECONDS: Final = 3600.0
_FEW: Final = 64
"""Number of tasks, or of cancelled timers, that nobody need look through."""


class StalledError(RuntimeError):
    """Nothing is ready and no timer is set: whatever the tasks wait for will never come."""


class VirtualTask(asyncio.Task[Any]):
    """A task whose place in a set depends on its number, and not on its address."""

    _number = 0
    process: Process | None = None

    def __hash__(self) -> int:
        if not self._number:
            loop: Any = self.get_loop()
            self._number = next(loop.task_numbers)
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


@dataclass(slots=True, eq=False)
class Process:
    """A process of the simulated world: the tasks that were begun in it, and all that these begin.

    It may be paused at any await, and go on, or be killed there: then nothing of it runs again while the world lives, not even its
    clean-up. Python closes no coroutine without it, so it runs after the end of the world, where it reaches no simulated server; it
    does reach whatever else it shares, such as a store in memory.
    """

    name: str
    parked: deque[Any] = field(default_factory=deque)
    killed: bool = False
    _tasks: list[VirtualTask] = field(default_factory=list)
    """Its tasks, and some that have ended. NB: one that nobody refers to runs its clean-up as it is collected."""
    _many: int = _FEW

    def run(self, main: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin a task in this process."""
        context = contextvars.copy_context()
        context.run(PROCESS.set, self)
        loop = asyncio.get_running_loop()
        return loop.create_task(main, name=self.name, context=context)

    def pause(self) -> None:
        """Stop it where it is."""
        _virtual().halt(self)

    def resume(self) -> None:
        """Have it go on; one that was killed meanwhile doesn't."""
        if not self.killed:
            _virtual().resume(self)

    def kill(self) -> None:
        """End it where it is; its connections are cut."""
        self.killed = True
        self.pause()

    def take_in(self, task: VirtualTask) -> None:
        """Take in that a task begins in it."""
        if len(self._tasks) >= self._many:
            self._tasks = [each for each in self._tasks if not each.done()]
            self._many = 2 * len(self._tasks) + _FEW
        self._tasks.append(task)

    def let_go(self) -> None:
        """Keep none of its tasks from being collected."""
        self._tasks.clear()


PROCESS: Final[contextvars.ContextVar[Process | None]] = contextvars.ContextVar("process", default=None)
"""The process in which something runs; None: the world outside."""
OUTSIDE: Final = contextvars.Context()
"""The context of what no process does, such as a server's timers."""


class Callback(asyncio.Handle):
    """A callback that is ready. Each operation has hundreds of them, which is why it does no more than it must."""

    __slots__ = ()

    def __init__(self, callback: Any, args: Any, loop: Any, context: Context) -> None:
        self._context = contextvars.copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = None
        self._source_traceback = None


class Timer(asyncio.TimerHandle):
    """A callback that falls due at a time, as lean as the others."""

    __slots__ = ()
    _loop: Any
    _callback: Any
    _args: Any

    def __init__(self, when: float, callback: Any, args: Any, loop: Any, context: Context) -> None:
        self._context = contextvars.copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = None
        self._source_traceback = None
        self._when = when
        self._scheduled = True

    def cancel(self) -> None:
        if not self._cancelled:
            self._loop._timer_cancelled_count += self._scheduled
            self._cancelled = True
            self._callback = self._args = None


class VirtualLoop(base_events.BaseEventLoop):
    """The loop; it begins at `start`."""

    _ready: Any
    _scheduled: list[tuple[float, int, Timer]]
    _timer_cancelled_count: int
    _stopping: bool

    def __init__(self, start: datetime = START) -> None:
        super().__init__()
        self._time = start.timestamp()
        self._shown = self._time, start
        self._timers = count()
        self.task_numbers = count(1)
        self._halted: set[Process] = set()
        self.is_over = False

    def time(self) -> float:
        return self._time

    def now(self) -> datetime:
        """Return the time as the wall clock shows it."""
        if self._shown[0] != self._time:
            self._shown = self._time, START + timedelta(microseconds=round((self._time - _START) * 1e6))
        return self._shown[1]

    def call_soon(self, callback: Callable[[*Ts], object], *args: *Ts, context: Context = None) -> asyncio.Handle:
        """Have something done as soon as what is ready is done."""
        handle = Callback(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context = None
    ) -> asyncio.TimerHandle:
        """Have something done after so many seconds."""
        when = self._time + delay
        timer = Timer(when, callback, args, self, context)
        heapq.heappush(self._scheduled, (when, next(self._timers), timer))
        return timer

    def call_at(self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context = None) -> asyncio.TimerHandle:
        """Have something done at a time; what is due at one moment is done in the order in which it was asked for."""
        timer = Timer(when, callback, args, self, context)
        heapq.heappush(self._scheduled, (when, next(self._timers), timer))
        return timer

    def create_task(self, coro: Any, *, name: object = None, context: Context = None) -> VirtualTask:
        """Begin a task in the process that asks for it, or in that of its context."""
        task = VirtualTask(coro, loop=self, name=None if name is None else str(name), context=context)
        process = task.process = PROCESS.get() if context is None else context.get(PROCESS)
        if process is not None:
            process.take_in(task)
        return task

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override] # noqa: ARG002
        """Run the function before this returns."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def halt(self, process: Process) -> None:
        """Take in that a process is killed or paused."""
        self._halted.add(process)

    def resume(self, process: Process) -> None:
        """Take in that a process goes on."""
        self._halted.discard(process)
        self._ready.extend(process.parked)
        process.parked.clear()

    def _run_once(self) -> None:
        """Move time, if nothing is ready, and run whatever is."""
        ready, timers = self._ready, self._drop_cancelled()
        if not ready:
            self._jump()
        while timers and timers[0][0] <= self._time:
            timer = heapq.heappop(timers)[2]
            timer._scheduled = False
            ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled or (self.is_over and _is_outside(handle)):
                continue
            process = handle._context.get(PROCESS) if self._halted else None
            if process is not None and process in self._halted:
                process.parked.append(handle)  # if it is paused, it goes on with it
                continue
            try:
                handle._context.run(handle._callback, *handle._args)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:
                self.call_exception_handler({"message": f"{handle} failed", "exception": error, "handle": handle})

    def end(self) -> None:
        """End the world, and let all processes go on to their clean-up."""
        self.is_over = True
        for process in sorted(self._halted, key=lambda process: process.name):
            self.resume(process)
            process.let_go()

    def _drop_cancelled(self) -> list[tuple[float, int, Timer]]:
        """Return the timers, the next of which is wanted."""
        timers = self._scheduled
        while timers and timers[0][2]._cancelled:
            self._timer_cancelled_count -= 1
            heapq.heappop(timers)
        if self._timer_cancelled_count > max(len(timers) // 2, _FEW):
            timers[:] = [each for each in timers if not each[2]._cancelled]
            heapq.heapify(timers)
            self._timer_cancelled_count = 0
        return timers

    def _jump(self) -> None:
        if self._scheduled:
            self._time = max(self._time, self._scheduled[0][0])
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
    try:
        yield loop
    finally:
        _drop(loop)
        loop.close()


def now() -> datetime:
    """Return the running loop's time, as `datetime.now(UTC)` does outside."""
    return _virtual().now()


def is_over() -> bool:
    """Return whether the world has ended, after which no server takes anything."""
    return _virtual().is_over


def call_later(seconds: float, act: Callable[..., object], *given: Any) -> asyncio.TimerHandle:
    """Have something done that outlives the process that asks for it."""
    return asyncio.get_running_loop().call_later(seconds, act, *given, context=OUTSIDE)


def _virtual() -> VirtualLoop:
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        raise TypeError("There is no virtual time on this loop.")
    return loop


def _is_outside(handle: Any) -> bool:
    """Return whether a callback is a timer of the world outside."""
    return handle._context is OUTSIDE and isinstance(handle, asyncio.TimerHandle)


def _waiting(loop: asyncio.AbstractEventLoop) -> str:
    names = [f"{task.get_name()} ({task.get_coro()})" for task in _tasks(loop)]
    return "; ".join(names[:_MAX_NAMED]) or "nobody"


def _tasks(loop: asyncio.AbstractEventLoop) -> list[VirtualTask]:
    return sorted((task for task in asyncio.all_tasks(loop) if isinstance(task, VirtualTask)), key=hash)


def _drop(loop: VirtualLoop) -> None:
    """End the world, cancel all tasks, in their order, and let them end; one whose clean-up waits or never ends is cancelled again.

    NB: a task that is destroyed while it is pending runs its clean-up outside of any loop.
    """
    loop.end()
    for _ in range(_ROUNDS):
        tasks = _tasks(loop)
        if not tasks:
            break
        for task in tasks:
            task.cancel()
        with suppress(StalledError):
            loop.run_until_complete(_ended(tasks))
    loop.run_until_complete(loop.shutdown_asyncgens())


async def _ended(tasks: list[VirtualTask]) -> None:
    """Wait until the tasks have ended, as long as a clean-up may take."""
    await asyncio.wait([asyncio.gather(*tasks, return_exceptions=True)], timeout=_CLEAN_UP_SECONDS)
