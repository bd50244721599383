"""The lead from a free record to the volume's other PVs, in an annotation of its own.

A record that names a holder leads to them by `attachments`, which a free one hasn't. Without a lead, whoever doesn't know all PVs
yet would record its node on those that it knows, and nothing would tell of that node once they are gone.

Contract: a lead counts at the epoch at which it was written and at no other, so nobody has to remove it, least of all a version
that doesn't know it. One that can't be read leads nowhere. A lead to a PV that is gone, or is no longer the volume's, harms nobody.
"""

from __future__ import annotations

import json

from pydantic import BaseModel, ConfigDict, ValidationError


class _Lead(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    epoch: int
    pvs: tuple[str, ...]


def write(epoch: int, pvs: tuple[str, ...]) -> str:
    """Return the annotation of a free record at this epoch that these PVs bear too."""
    return json.dumps({"epoch": epoch, "pvs": pvs}, separators=(",", ":"))


def read(text: str | None, epoch: int | None) -> tuple[str, ...]:
    """Return the PVs that a free record at this epoch leads to."""
    try:
        lead = None if text is None else _Lead.model_validate_json(text)
    except ValidationError:
        return ()
    return lead.pvs if lead is not None and lead.epoch == epoch else ()
