"""Findings about attachments that predate Mooring."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from mooring.models import AdoptRequest, Model


class Verdict(StrEnum):
    """Decision, or its outcome, about a VolumeAttachment that is attached and not recorded."""

    ADOPT = "adopt"
    ADOPTED = "adopted"
    DISPUTED = "disputed"
    DRIFT = "drift"
    UNKNOWN_NODE = "unknown_node"
    LEAVING = "leaving"
    FREED = "freed"
    UNSURE = "unsure"
    NO_VOLUME = "no_volume"
    UNREADABLE = "unreadable"
    FAILED = "failed"
    RETRIED = "retried"


class Finding(Model):
    """A VolumeAttachment that is attached and not recorded, with the verdict on it.

    `why` is for people, "" if there is nothing to explain. `publish_refused`: the volume is published to nobody meanwhile.
    """

    volume_handle: str
    pv: str
    node: str
    node_id: str | None
    volume_attachment: str
    verdict: Verdict
    why: str = ""
    publish_refused: bool = False
    request: AdoptRequest | None = Field(None, exclude=True)

    def turned(self, verdict: Verdict, why: str = "") -> Finding:
        """Return the finding after an attempt to adopt it; if that failed for one node, its volume is refused to any other."""
        exclusive = self.request is not None and self.request.attachment.access_mode is None
        refused = exclusive and verdict is not Verdict.ADOPTED
        return self.model_copy(update={"verdict": verdict, "why": why, "publish_refused": refused})
