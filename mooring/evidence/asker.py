"""The run that asks for the evidence about a volume, for evidence.py."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AskingRun:
    """A run, and its workflow's type; both "" for no run.

    PersistAttachment is itself the evidence that a VolumeAttachment would be, and AdoptAttachment judges these by itself.
    """

    run_id: str = ""
    workflow: str = ""
