"""The simulated API server: its objects, the history of its PVs, and its clients."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from datetime import datetime
from typing import Any, Final

import aiohttp
import msgspec

from mooring.devstack.kubernetes.reads import Watch
from mooring.devstack.kubernetes.resources import BY_KIND
from mooring.devstack.kubernetes.rules import Births
from mooring.devstack.kubernetes.service import ServedAnswer, ServedRequest, Service
from mooring.devstack.kubernetes.store import Collection, Object, Selector
from mooring.kubernetes.api import KubernetesApi
from tests.simulation.api_server.connections import SimulatedConnections, Stream, refusal
from tests.simulation.api_server.faults import CALM, FaultRates, Faults
from tests.simulation.history import History, PvChange

FIRST_REVISION: Final = 1_000
KEPT_CHANGES: Final = 10_000
PVS: Final = BY_KIND["v1", "PersistentVolume"]
MERGE_PATCH: Final = "application/merge-patch+json"


class SimulatedKubernetes:
    """A server. Each change of a PV is added to `history` at the moment it is made; `now` is UTC, in step with the event loop."""

    def __init__(self, dice: random.Random, now: Callable[[], datetime], history: History, rates: FaultRates = CALM) -> None:
        self.faults = Faults(dice, rates)
        self.is_down = False
        self.carried_out: Counter[str] = Counter()
        """Requests by method, refused ones left out."""
        self.travelling: Counter[str] = Counter()
        """Requests that have been sent and have not arrived, by method and path."""
        self._now = now
        self._loop = asyncio.get_running_loop()
        self._service = Service(Births(self._uid, now), FIRST_REVISION, KEPT_CHANGES)
        self._history = history
        self._streams: dict[Stream, None] = {}
        self._subscription = ExitStack()
        self._changes = self._subscription.enter_context(self.pvs.watch(Selector(), self.pvs.revision.current)).changes

    @property
    def pvs(self) -> Collection:
        """The collection of PVs, as it is."""
        return self._service.collections[PVS]

    def pv_names(self) -> list[str]:
        """Return the names of all PVs, in their order."""
        return [entry.key[1] for entry in self.pvs.page(Selector(), 0).entries]

    def api(self, token: str, timeout: float = 5.0) -> KubernetesApi:
        """Return the deployed client, with a login of its own; `timeout` bounds a request."""
        return KubernetesApi(SimulatedConnections(self, token, self._now), timeout)

    def seed(self, objects: Iterable[Object]) -> None:
        """Create objects, each with `apiVersion` and `kind`."""
        self._service.seed(objects)
        self._note()

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Carry out a request of somebody who is no client of Mooring's, without faults, and return what is answered, decoded."""
        sent = b"" if body is None else msgspec.json.encode(body)
        media_type = MERGE_PATCH if method == "PATCH" else "application/json"
        answer = self.carry_out(ServedRequest(method, path, {}, media_type, sent))
        assert isinstance(answer, ServedAnswer), "a watch is for clients"
        return msgspec.json.decode(answer.body)

    def carry_out(self, request: ServedRequest, refused: int = 0) -> ServedAnswer | Watch:
        """Carry out a request, or refuse it with a status."""
        if refused:
            return refusal(refused)
        self.carried_out[request.method] += 1
        answer = self._service.handle(request, self.faults.shown)
        self._note()
        return answer

    def stream(self, watch: Watch, bounds: aiohttp.ClientTimeout) -> Stream:
        """Return a watch as its client gets it."""
        made = Stream(watch, self.faults.watch_fate(), bounds, lambda stream: self._streams.pop(stream, None))
        self._streams[made] = None
        return made

    def compact(self) -> None:
        """Forget the past, so that a watch or a page that goes back to it is refused with 410."""
        self._service.compact()

    def go_down(self) -> None:
        """Take no request, and cut all watches."""
        self.is_down = True
        for stream in self._streams:
            stream.cut()
        self._service.end_watches()

    def come_back(self) -> None:
        """Take requests again."""
        self.is_down = False

    def _note(self) -> None:
        while not self._changes.empty():
            event = self._changes.get_nowait()
            if event is not None:
                self._history.append(PvChange(self._loop.time(), event.kind, event.entry.decode()))

    def _uid(self) -> str:
        return str(uuid.UUID(int=self.faults.dice.getrandbits(128), version=4))
