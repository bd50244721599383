"""The changes that others make to PVs: deleted, made anew, stripped, doubled, labelled; and a past that is forgotten."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.simulation.api_server.server import SimulatedKubernetes

PATH = "/api/v1/persistentvolumes"


@dataclass(slots=True)
class Upsets:
    """The others, who do as the dice say."""

    kube: SimulatedKubernetes
    dice: random.Random
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def any(self) -> str:
        """Do one of these to one PV, and return what was done; "" if there is no PV."""
        names = self.kube.pv_names()
        if not names:
            return ""
        name = self.dice.choice(names)
        acts = [self.delete, self.make_anew, self.strip, self.double, self.label]
        act = self.dice.choice(acts)
        act(name)
        return f"{act.__name__} {name}"

    def delete(self, name: str) -> None:
        """Delete the PV, whoever holds it."""
        self.kube.ask("DELETE", f"{PATH}/{name}")

    def make_anew(self, name: str) -> None:
        """Delete the PV and create one of the same name for the same volume, without a record."""
        pv = self.kube.ask("GET", f"{PATH}/{name}")
        self.delete(name)
        self._create(name, pv)

    def strip(self, name: str) -> None:
        """Take all annotations away."""
        self.kube.ask("PATCH", f"{PATH}/{name}", {"metadata": {"annotations": None}})

    def double(self, name: str) -> None:
        """Create a second PV for the same volume, without a record."""
        self._create(f"{name}-{next(self._numbers)}", self.kube.ask("GET", f"{PATH}/{name}"))

    def label(self, name: str) -> None:
        """Change what is none of Mooring's."""
        self.kube.ask("PATCH", f"{PATH}/{name}", {"metadata": {"labels": {"touched": str(next(self._numbers))}}})

    def _create(self, name: str, like: dict[str, Any]) -> None:
        self.kube.ask("POST", PATH, {"metadata": {"name": name}, "spec": like["spec"]})
