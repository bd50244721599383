"""The proof that a node is dead, so that nothing writes to its volumes any more.

Contract: three things prove it: the taint `node.kubernetes.io/out-of-service`; no Node of its name, in an uninterrupted series of
looks that is longer than MOORING_NODE_GONE; an operator's approval. If several Nodes go by the node's id, each of them has to bear
the taint or be gone, and that for as long if any is gone. A node that exists and is not so tainted is alive, however unhealthy it
may be, and only an operator can say otherwise. An approval holds until the node is seen to return: Ready after it was not. Memory
proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from mooring.commands import arguments, code
    from mooring.models.evacuation import Absence, Presence

if TYPE_CHECKING:
    from datetime import datetime

    from mooring.models import Approval
    from mooring.models.evacuation import ReadNodeResult

_TAINT = "node.kubernetes.io/out-of-service"
_LOOKS = 10
"""Number of looks that the time of an absence is divided into."""
_LONGEST_PAUSE = 30.0
_MISSED = 3
"""A series of looks is uninterrupted while none is later than so many pauses after the one before."""


@dataclass(slots=True)
class Proof:
    """Evidence of a node's death. `gone`: seconds that a Node must have been gone; `patience`: of one look.

    `ailing`: since an operator's approval, some look found the node otherwise than Ready.
    """

    gone: float
    patience: float
    absence: Absence | None = None
    ailing: bool = False

    @property
    def pause(self) -> timedelta:
        """The time between two looks."""
        return timedelta(seconds=min(self.gone / _LOOKS, _LONGEST_PAUSE))

    @property
    def due(self) -> datetime | None:
        """The time at which the absence will have lasted long enough, or None while there is none."""
        return self.absence.since + timedelta(seconds=self.gone) if self.absence else None

    def weigh(self, seen: ReadNodeResult, approval: Approval | None, at: datetime) -> str:
        """Weigh a look and return the proof in words, or "" if there is none yet."""
        self.absence = self._lengthened(at) if seen.presence is Presence.GONE else None
        if seen.out_of_service:
            return f"{seen.words}, as seen at {moment(at)}"
        if self.absence is not None and self.due is not None and at >= self.due:
            return f"{seen.words}, nor was there one since {moment(self.absence.since)}, for more than {self.gone:g} s"
        if approval is not None:
            self.ailing = not seen.ready
            return f"{approval.by} confirmed it: {approval.reason} ({seen.words}, as seen at {moment(at)})"
        return ""

    def refuted(self, seen: ReadNodeResult, approval: Approval | None) -> str:
        """Return the reason why it isn't dead, although there was proof, or "" if it is."""
        if approval is None:
            return f"{seen.words} again, and nobody has confirmed that it is off" if is_back(seen) else ""
        self.ailing = self.ailing or not seen.ready
        back = self.ailing and seen.ready and is_back(seen)
        return f"{seen.words} again, since {approval.by} confirmed that it is off" if back else ""

    def missing(self, seen: ReadNodeResult, node_id: str) -> str:
        """Describe what the proof still lacks."""
        approve = code(f"mooring approve {arguments(f'evacuate/{node_id}')} --by WHO --reason WHY")
        due = f", which will be at {moment(self.due)}" if self.due else ""
        each = "Each of them" if len(seen.names) > 1 else "It"
        taints = [code(f"kubectl taint node {arguments(name)} {_TAINT}=nodeshutdown:NoExecute") for name in seen.names]
        taint = f"{_TAINT} ({' and '.join(taints)})" if taints else _TAINT
        return (
            f"{seen.words[0].upper()}{seen.words[1:]}. {each} has to have the taint {taint}, or be gone for {self.gone:g} s{due}, "
            f"or an operator has to confirm that it is off: {approve}"
        )

    def _lengthened(self, at: datetime) -> Absence:
        longest = self.pause * _MISSED + timedelta(seconds=self.patience)
        series = self.absence
        uninterrupted = series is not None and at - series.seen <= longest
        return Absence(since=series.since if series and uninterrupted else at, seen=at)


def is_back(seen: ReadNodeResult) -> bool:
    """Return whether the node is alive, as far as the cluster says."""
    return seen.presence is Presence.HERE and not seen.out_of_service


def moment(at: datetime) -> str:
    """Format the moment, to the second, in UTC."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
