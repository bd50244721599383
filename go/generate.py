"""`python -m go.generate`: print go/failures.go, the Go module's failure types, from the table of `mooring/errors.py`.

Invariant: the text is what gofmt leaves as it is; the module's tests ask gofmt.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator
from typing import Final

from mooring.errors import TABLE, MooringError

WIDTH: Final = 132
HEAD: Final = """\
// Code generated from mooring/errors.py by `make stubs`. DO NOT EDIT.

package mooring

import "google.golang.org/grpc/codes"

// The failure types that Mooring has.
const (
"""


def text() -> str:
    """Return the text of the file."""
    rows = sorted(TABLE.items())
    constants = "\n".join(_constant(name, error) for name, error in rows)
    cases = "".join(_case(name, error) for name, error in rows)
    return (
        f"{HEAD}{constants})\n\nfunc rowOf(t FailureType) row {{\n\tswitch t {{\n{cases}\t}}\n\treturn {_row(MooringError)}\n}}\n"
    )


def _constant(name: str, error: type[MooringError]) -> str:
    return "".join(f"\t{line}\n" for line in _comment(f"{name}: {error.__doc__}")) + f'\t{name} FailureType = "{name}"\n'


def _comment(words: str) -> Iterator[str]:
    yield from textwrap.wrap(" ".join(words.split()), WIDTH, initial_indent="// ", subsequent_indent="// ")


def _case(name: str, error: type[MooringError]) -> str:
    return f"\tcase {name}:\n\t\treturn {_row(error)}\n"


def _row(error: type[MooringError]) -> str:
    code = error.grpc_code.title().replace("_", "")
    parent = error.__base__.__name__ if error.__base__ and error.__base__.__name__ in TABLE else '""'
    return f"row{{codes.{code}, {parent}, {str(error.retryable).lower()}, {json.dumps(error.advice)}}}"


if __name__ == "__main__":
    sys.stdout.write(text())
