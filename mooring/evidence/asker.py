"""Who asks what is known of a volume, for evidence.py."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Asking:
    """A run, and its workflow's type; both "" for no run.

    PersistAttachment is evidence itself of what a VolumeAttachment says, and AdoptAttachment judges them by itself.
    """

    run_id: str = ""
    workflow: str = ""
