"""The output of results: tables for people, JSON and YAML for programs, and notes on standard error.

Contract: data goes to standard output, all else to standard error. Nothing is coloured, cut or wrapped if it doesn't go to a
terminal. On one, prose is wrapped between words, but not within commands in backticks, so that they can be pasted. Text from
outside can't control the terminal: unprintable characters are shown escaped.
"""

from __future__ import annotations

import errno
import json
import os
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import IO, TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from mooring.process.plain import plain

if TYPE_CHECKING:
    from mooring.models import Model

Text = Annotated[Literal["text", "json", "yaml"], typer.Option("-o", "--output", help="Output format.")]
Listing = Annotated[Literal["table", "wide", "json", "yaml"], typer.Option("-o", "--output", help="Output format.")]
Named = Annotated[Literal["table", "wide", "json", "yaml", "name"], typer.Option("-o", "--output", help="Output format.")]

NONE: Final = "<none>"
UNKNOWN: Final = "?"
_GAP: Final = "  "
_GLUE: Final = "\0"
"""Stands for a space that no line ends at; no text has it."""
_UNWRITABLE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
_AT_LEAST: Final = 2


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table; `style` is rich's, for terminals."""

    cells: Sequence[str]
    style: str = ""


class Table:
    """A table that may grow: lines that are added later keep its columns, wider ones make them wider.

    On a terminal too narrow for its first lines the last columns are omitted, with a note, unless it is to be `whole`.
    """

    def __init__(self, headers: Sequence[str], rows: Sequence[Row], *, whole: bool) -> None:
        from rich.console import Console

        self._console = Console(soft_wrap=True)
        self._widths = [0] * len(headers)
        lines = self._measured([Row(headers, "bold"), *rows])
        cut = not whole and self._console.is_terminal
        self._shown = _fitting(self._widths, self._console.width) if cut else len(headers)
        self._print(lines)
        if self._shown < len(headers):
            note(f"The terminal is too narrow for {', '.join(headers[self._shown :])}; -o wide shows everything.")

    def add(self, row: Row) -> None:
        """Print one more line."""
        self._print(self._measured([row]))

    def _measured(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows without characters that a terminal would obey, and make the columns wide enough for them."""
        from rich.cells import cell_len

        lines = [Row([plain(cell) for cell in row.cells], row.style) for row in rows]
        columns = zip(self._widths, *(map(cell_len, line.cells) for line in lines), strict=True)
        self._widths = [max(column) for column in columns]
        return lines

    def _print(self, lines: Sequence[Row]) -> None:
        from rich.cells import cell_len

        for line in lines:
            cells = zip(line.cells[: self._shown], self._widths, strict=False)
            text = _GAP.join(cell + " " * (width - cell_len(cell)) for cell, width in cells)
            self._console.out(text.rstrip(), style=line.style or None, highlight=False)


def print_table(headers: Sequence[str], rows: Sequence[Row], *, whole: bool) -> None:
    """Print a whole table; see `Table`."""
    Table(headers, rows, whole=whole)


def print_data(data: Model | Sequence[Model], form: str) -> None:
    """Print models as JSON or YAML: one as an object, several as a list."""
    plainly = [item.model_dump(mode="json") for item in data] if isinstance(data, Sequence) else data.model_dump(mode="json")
    if form == "json":
        typer.echo(json.dumps(plainly, indent=2, ensure_ascii=False))
        return
    import yaml

    typer.echo(yaml.safe_dump(plainly, sort_keys=False, allow_unicode=True), nl=False)


def print_result(message: str, data: Model, form: str) -> None:
    """Print the result of a command: the message for people, or the model for programs."""
    if form == "text":
        print_prose(message)
    else:
        print_data(data, form)


def print_streamed(item: Model, form: str) -> None:
    """Print one model of a stream: JSON as one line, YAML as a document."""
    plainly = item.model_dump(mode="json")
    if form == "json":
        typer.echo(json.dumps(plainly, ensure_ascii=False))
        return
    import yaml

    typer.echo(yaml.safe_dump(plainly, sort_keys=False, allow_unicode=True, explicit_start=True), nl=False)


def print_lines(lines: Iterable[str]) -> None:
    """Print lines as they are, without characters that a terminal would obey."""
    for line in lines:
        typer.echo(plain(line))


def print_prose(text: str, first: str = "", rest: str = "") -> None:
    """Print sentences, as `filled` has them."""
    typer.echo(filled(text, sys.stdout, first, rest))


def note(text: str) -> None:
    """Print a message that isn't data, on standard error."""
    typer.echo(filled(text, sys.stderr), err=True)


def filled(text: str, stream: IO[Any], first: str = "", rest: str = "") -> str:
    """Return sentences without characters that a terminal would obey, and wrapped if the stream is one.

    The first line begins with `first`, all others with `rest`.
    """
    width = _columns(stream)
    if not width:
        return first + plain(text)
    whole = re.sub("`[^`]*`", lambda command: command[0].replace(" ", _GLUE), plain(text))
    lines = textwrap.fill(
        whole, width, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )
    return lines.replace(_GLUE, " ")


def _columns(stream: IO[Any]) -> int:
    """Return the width of the terminal that the stream writes to, 0 if it writes to none."""
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        return 0


def output_failed(error: BaseException) -> bool:
    """Return whether the error is that standard output can't be written: a full disk, or a terminal that is gone.

    NB: most errors of the network are an OSError as well, and the error of another file has that file's name.
    """
    return isinstance(error, OSError) and error.errno in _UNWRITABLE and error.filename is None


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show, on a terminal, that the block waits for `what`."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(plain(what), spinner="line"):
        yield


def rfc3339(moment: datetime | None) -> str:
    """Format the moment in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else NONE


def age(since: datetime, now: datetime) -> str:
    """Format the time since then in one or two units, as kubectl does: 42s, 5m30s, 3h12m, 6d4h, 400d."""
    seconds = max(0, int((now - since).total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    steps = (
        (seconds < 120, f"{seconds}s"),
        (minutes < 10, _two(minutes, "m", seconds % 60, "s")),
        (hours < 3, f"{minutes}m"),
        (hours < 8, _two(hours, "h", minutes % 60, "m")),
        (hours < 48, f"{hours}h"),
        (days < 8, _two(days, "d", hours % 24, "h")),
    )
    return next((text for fits, text in steps if fits), f"{days}d")


def duration(took: timedelta) -> str:
    """Format a duration: 85ms, 1.2s, then as `age`."""
    seconds = took.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    start = datetime.fromtimestamp(0, UTC)
    return f"{seconds:.1f}s" if seconds < 60 else age(start, start + took)


def _two(large: int, unit: str, small: int, smaller: str) -> str:
    return f"{large}{unit}{small}{smaller}" if small else f"{large}{unit}"


def _fitting(widths: Sequence[int], room: int) -> int:
    shown = len(widths)
    while shown > _AT_LEAST and sum(widths[:shown]) + len(_GAP) * (shown - 1) > room:
        shown -= 1
    return shown
