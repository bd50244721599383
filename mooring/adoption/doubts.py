"""The volumes that adoption has not settled, as this worker's last look found them.

Contract: each look replaces what was known of the volumes it looked at, in one step. A volume in doubt is published to nobody, and
none that is not settled is taken for one that nobody has.

Not kept here: the decisions (rules.py), the looks (adopter.py), and the refusal (activities/attachments.py, workflows/publish.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set

from mooring.adoption.rules import refusals
from mooring.models.adoption import Finding, Verdict

_SETTLED = (Verdict.ADOPTED, Verdict.FREED)


class Doubts:
    """The doubts of one worker."""

    def __init__(self) -> None:
        self.refused: Mapping[str, str] = {}
        """Volume handle -> why the volume may be published to nobody yet."""
        self.unsettled: Set[str] = frozenset()
        """The volumes that a node may have without a record: the refused, and shared ones with a node that is not adopted."""

    def take_in(self, findings: Sequence[Finding], only: Collection[str] | None) -> None:
        """Take in the findings of a look at all volumes, or `only` at those of these handles."""
        looked_at = {*self.unsettled, *self.refused} if only is None else set(only)
        kept = {handle: why for handle, why in self.refused.items() if handle not in looked_at}
        unsettled = {finding.volume_handle for finding in findings if finding.verdict not in _SETTLED}
        self.refused = kept | refusals(findings)
        self.unsettled = (self.unsettled - looked_at) | unsettled
