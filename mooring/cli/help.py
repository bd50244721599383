"""The help of a command, as other programs of a cluster have it: arguments as they are typed, bounds in words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from typer.core import TyperCommand

if TYPE_CHECKING:
    from collections.abc import Iterable

    import typer

_BOUNDS: Final = ((r"([\d.]+)<=x<=([\d.]+)", r"\1 to \2"), (r"x>=([\d.]+)", r"at least \1"))


class Command(TyperCommand):
    """A command. NB: typer shows a required argument in braces, which mean a choice, and the types of Python."""

    def collect_usage_pieces(self, ctx: typer.Context) -> list[str]:  # type: ignore[override] # typer's own
        """Return the parts of the usage line."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override] # typer's own
        """Write what the arguments and the options mean."""
        parameters = self.get_params(ctx)
        for kind in ("Argument", "Option"):
            records = [each.get_help_record(ctx) for each in parameters if each.param_type_name == kind.lower()]
            shown = [(_name(kind, name), _in_words(meaning)) for name, meaning in filter(None, records)]
            self._write(formatter, f"{kind}s", shown)

    @staticmethod
    def _write(formatter: Any, title: str, rows: Iterable[tuple[str, str]]) -> None:
        if rows:
            with formatter.section(title):
                formatter.write_dl(rows)


def _name(kind: str, name: str) -> str:
    return name.partition(" ")[0] if kind == "Argument" else name


def _in_words(meaning: str) -> str:
    for bounds, words in _BOUNDS:
        meaning = re.sub(bounds, words, meaning)
    return meaning
