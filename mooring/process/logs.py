"""The log of a process, on standard error: text for people, or JSON for programs.

Contract: an entry is one line, and nothing in it, be it a name, an error's text or a traceback, can look like another entry. In
JSON it is one object, its traceback included; in text a traceback follows, each of its lines behind a bar. Python's warnings and
the logs of libraries are entries as well. Fields name the volume, the node and the operation: those that `note_fields` noted for
the task that logs, and those that the sources know of it.

Not kept here: the fields of Temporal's runs (mooring/temporal/step_log.py) and of traces (tracing.py).

NB: native code that writes to standard error by itself is in no form: a process that is being aborted, and gRPC's core unless
GRPC_VERBOSITY silences it before gRPC is imported (`mooring worker` does).
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

from structlog.contextvars import bind_contextvars, merge_contextvars
from structlog.processors import ExceptionRenderer, JSONRenderer, LogfmtRenderer
from structlog.stdlib import ProcessorFormatter

from mooring.process.plain import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from structlog.typing import EventDict, Processor, WrappedLogger

    Source = Callable[[], Mapping[str, str | int]]

LogFormat = Literal["text", "json"]
BAR: Final = "  | "
"""The beginning of a line that belongs to the entry above it."""


def log_to_stderr(level: str | int, form: LogFormat = "text", *sources: Source) -> None:
    """Log everything of this level and above; each source gives the fields of what logs an entry."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(form, *sources))
    logging.basicConfig(level=level, handlers=[handler])
    logging.captureWarnings(True)


def formatter(form: LogFormat, *sources: Source) -> logging.Formatter:
    """Return what makes an entry of a record."""
    render: Processor = JSONRenderer() if form == "json" else _text
    fields: list[Processor] = [_head, merge_contextvars, _Fields(sources), ExceptionRenderer()]
    return ProcessorFormatter(foreign_pre_chain=fields, processors=[ProcessorFormatter.remove_processors_meta, render])


def note_fields(**fields: str | int) -> None:
    """Have the entries that this task logs from now on bear these fields; one that is empty says nothing."""
    bind_contextvars(**{name: value for name, value in fields.items() if value})


def refuse_to_run(why: str, form: LogFormat) -> None:
    """Write why a process can't run: a sentence for people, an entry for programs."""
    if form == "text":
        sys.stderr.write(f"{plain(why)}\n")
        return
    entry = logging.LogRecord("mooring", logging.CRITICAL, "", 0, why, (), None)
    sys.stderr.write(f"{formatter(form).format(entry)}\n")


class _Fields:
    """The fields that some sources give; those that are noted already stay."""

    def __init__(self, sources: tuple[Source, ...]) -> None:
        self._sources = sources

    def __call__(self, logger: WrappedLogger, name: str, event: EventDict) -> EventDict:  # noqa: ARG002 - the library's form
        """Add them."""
        for source in self._sources:
            for field, value in source().items():
                event.setdefault(field, value)
        return event


def _head(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:  # noqa: ARG001 - the library's form
    record: logging.LogRecord = event["_record"]
    time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    message = event.pop("event")
    return {"time": time, "level": record.levelname, "logger": record.name, "message": message, **event}


def _text(logger: WrappedLogger, name: str, event: EventDict) -> str:
    head = f"{event.pop('time')} {event.pop('level')} {event.pop('logger')}: {event.pop('message')}"
    below = [event.pop(part) for part in ("exception", "stack_info") if part in event]
    fields = f"  {LogfmtRenderer()(logger, name, event)}" if event else ""
    lines = [line for part in below for line in str(part).split("\n")]
    return "\n".join([plain(head + fields), *(BAR + plain(line) for line in lines)])
