"""Words that sentences for people are made of."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return the number with its noun, which has a regular plural: "1 volume", "2 volumes"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
