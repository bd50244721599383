"""The demo's output, and the check on it: nothing is shown before it has been verified.

Contract: a `Story` writes to the console it is given: numbered steps, a line for each verified statement, the time a step took. A
statement that is false ends its step with `NotSo`, which `fail` shows with the expected and the actual value. If the console is
not a terminal, nothing is coloured or wrapped.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.text import Text

from mooring.errors import MooringError


class NotSo(Exception):
    """A statement that was to be shown is false."""

    def __init__(self, what: str, seen: object, expected: object) -> None:
        super().__init__(f"{what}: expected {expected!r}, saw {seen!r}")
        self.what = what
        self.seen = seen
        self.expected = expected


class Story:
    """Writer of the demo's lines to a console."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._good, self._bad = ("ok", "FAILED") if console.options.ascii_only else ("✓", "✗")
        self._steps = 0
        self._passed = 0

    def head(self, title: str) -> None:
        """Announce the demo."""
        self._line(f"[bold]{escape(title)}[/]", 0)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Begin a numbered step, and time the block."""
        self._steps += 1
        self._console.print()
        self._line(f"[bold cyan]{self._steps:2}[/]  [bold]{escape(title)}[/]", 0)
        began = time.perf_counter()
        yield
        self.say(f"{time.perf_counter() - began:.1f} s")

    def so(self, what: str, seen: object, expected: object = True) -> None:
        """State `what` if `seen` equals `expected`.

        Raises:
            NotSo: the two differ.

        """
        if seen != expected:
            raise NotSo(what, seen, expected)
        self._passed += 1
        self._line(f"[green]{self._good}[/] {escape(what)}")

    def say(self, text: str) -> None:
        """Quote a part's message, or describe the current action."""
        self._line(f"[dim]{escape(text)}[/]")

    def link(self, text: str) -> None:
        """Print an address, never cut in two."""
        self._console.print(f"    [dim]{escape(text)}[/]", soft_wrap=True, highlight=False)

    def show(self, picture: RenderableType) -> None:
        """Show a table."""
        self._console.print(Padding(picture, (0, 0, 0, 4), expand=False))

    def fail(self, error: BaseException) -> None:
        """Show why a step ended early."""
        what = error.what if isinstance(error, NotSo) else str(error) if isinstance(error, MooringError) else repr(error)
        self._line(f"[bold red]{self._bad} {escape(what)}[/]")
        if isinstance(error, NotSo):
            self._line(f"expected  {escape(repr(error.expected))}", 6)
            self._line(f"seen      {escape(repr(error.seen))}", 6)

    def verdict(self, seconds: float, *, so: bool) -> None:
        """Print the outcome of the demo."""
        good = f"[bold green]All {self._passed} results are as expected[/], in {seconds:.0f} s."
        self._console.print()
        self._line(good if so else "[bold red]Some results are not as expected.[/]", 0)

    def _line(self, markup: str, indent: int = 4) -> None:
        if self._console.is_terminal:
            self._console.print(Padding(Text.from_markup(markup), (0, 0, 0, indent), expand=False), highlight=False)
        else:
            self._console.print(f"{'':{indent}}{markup}", soft_wrap=True, highlight=False)
