"""Text on one line, for logs and terminals."""

from __future__ import annotations


def plain(text: str) -> str:
    """Return the text on one line, unprintable characters escaped.

    Names come from callers, and one with a line break in it must not look like another line.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
