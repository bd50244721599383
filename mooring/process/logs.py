"""The log of a process, on standard error.

Contract: an entry is one line, but for a traceback: names come from callers, and one with a line break in it must not look like
another entry.
"""

from __future__ import annotations

import logging
from typing import Final

LINE: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def log_to_stderr(level: str | int) -> None:
    """Log everything of this level and above."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine(LINE))
    logging.basicConfig(level=level, handlers=[handler])


def plain(text: str) -> str:
    """Return the text on one line, unprintable characters escaped."""
    return text if text.isprintable() else "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class OneLine(logging.Formatter):
    """A formatter that escapes what doesn't belong on a line of its own."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        """Return the entry without its traceback."""
        return plain(super().formatMessage(record))
