"""The PersistentVolumeClaim that is bound to a PV, for Events on it.

Contract: `learn` takes it from every PV that Mooring reads or writes anyway, so that `of` hardly ever has to read one.

Invariant: at most `size` are remembered, those that were learned last.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING
from urllib.parse import quote

from mooring.kubernetes.api import KubernetesApi, NotFound, Request
from mooring.kubernetes.list_watch import decode
from mooring.kubernetes.pv_objects import PV, PVS, PvcRef

if TYPE_CHECKING:
    from mooring.kubernetes.pv_objects import Pv
    from mooring.models import Precondition


class PvcCache:
    """The PVCs that are bound to the PVs of one API server."""

    def __init__(self, api: KubernetesApi, size: int = 1024) -> None:
        self._api = api
        self._size = size
        self._known: OrderedDict[str, PvcRef | None] = OrderedDict()
        """PV uid -> what is bound to it; None for nothing."""

    def learn(self, pv: Pv) -> None:
        """Remember the PVC that is bound to a PV that was read."""
        pvc = pv.spec.claim_ref
        self._known[pv.metadata.uid] = pvc if pvc and pvc.uid else None
        self._known.move_to_end(pv.metadata.uid)
        while len(self._known) > self._size:
            self._known.popitem(last=False)

    async def of(self, mark: Precondition) -> PvcRef | None:
        """Return the PVC that is bound to the PV, or None; read the PV only if its PVC was not learned.

        Raises:
            KubernetesForbidden, KubernetesRejected, KubernetesUnavailable: the API server didn't answer.

        """
        if mark.uid not in self._known:
            await self._read(mark.pv)
        return self._known.get(mark.uid)

    async def _read(self, pv: str) -> None:
        request = Request(f"read which claim is bound to PersistentVolume {pv}", "GET", f"{PVS}/{quote(pv, safe='')}")
        try:
            self.learn(decode(PV, request, await self._api.request(request)))
        except NotFound:
            return
