"""The kinds of worlds: each concentrates some faults, so that rare combinations of them meet within a few hundred operations.

A kind says what there is, how servers and driver fail, and which acts (acts.py) happen how often. Invariant: nothing that a kind
lets happen breaks a promise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from tests.simulation.api_server import FaultRates
from tests.simulation.driver import DriverRates
from tests.simulation.temporal_server.defaults import WORKFLOW_TASK

KUBE: Final = FaultRates(
    lost_requests=0.02,
    lost_answers=0.04,
    hanging=0.04,
    hanging_seconds=60.0,
    slow_answers=0.02,
    slow_seconds=10.0,
    refusals=0.03,
    stale_lists=0.2,
    ending_watches=0.2,
    ending_seconds=120.0,
    stale_watches=0.2,
    stale_seconds=10.0,
)
HANGING: Final = FaultRates(hanging=0.25, hanging_seconds=40.0, lost_answers=0.1, stale_lists=0.2)
"""An API server that applies what it was sent when nobody waits for it any more."""
FORBIDDING: Final = FaultRates(hanging=0.4, hanging_seconds=4.0, refusals=0.25, codes=frozenset({403}))
"""An API server that forbids what it let pass a moment ago, which may not have been applied yet."""
BLIND: Final = FaultRates(
    hanging=0.02,
    hanging_seconds=30.0,
    stale_lists=0.5,
    ending_watches=0.6,
    ending_seconds=60.0,
    stale_watches=0.9,
    stale_seconds=60.0,
)
"""An API server whose watches show what was long ago."""
CALMER: Final = FaultRates(lost_answers=0.02, hanging=0.02, hanging_seconds=20.0, stale_lists=0.2)
DRIVER: Final = DriverRates(hanging=0.04, hanging_seconds=60.0, slow_answers=0.04, refusals=0.04, wrong_answers=0.04)
STRAGGLING: Final = DriverRates(hanging=0.15, hanging_seconds=90.0, slow_answers=0.1, refusals=0.05, wrong_answers=0.1)
SLOW: Final = DriverRates(slow_answers=0.3, slow_seconds=20.0)
"""A driver that does what it is asked at once, and takes its time to say so."""
SINGLE: Final = ("SINGLE_NODE_WRITER",)
SHARED: Final = ("MULTI_NODE_MULTI_WRITER",)
LASTING: Final = 86_400.0
"""Seconds of retention that no world outlives."""
NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of world. `acts`: the weight of each; `pause`: the mean seconds between two. Numbers are from the least to the most.

    `begins`: whether volumes have their PV at first (`free`), have none (`bare`), or are attached by somebody else (`attached`).
    `freezes`: how often a worker stops for a while with an activity of this type, or a `WORKFLOW_TASK` of a volume's run.
    `repeats`: how often external-attacher asks once more for what it has got, as it does where it could not write that down.
    `clears`: how often a volume is to leave all other nodes before it is asked for on one.
    """

    name: str
    acts: Mapping[str, int]
    pause: float = 6.0
    volumes: tuple[int, int] = (1, 5)
    nodes: tuple[int, int] = (2, 4)
    workers: tuple[int, int] = (1, 3)
    modes: tuple[str, ...] = SINGLE
    begins: str = "free"
    heedless: bool = False
    kube: FaultRates = KUBE
    driver: DriverRates = DRIVER
    retentions: tuple[float, ...] = (120.0, 3600.0, LASTING)
    settings: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    freezes: Mapping[str, float] = field(default_factory=lambda: NOTHING)
    repeats: float = 0.0
    clears: float = 0.85

    @property
    def is_shared(self) -> bool:
        """True if several nodes may have a volume at once."""
        return any(mode.startswith("MULTI_NODE") for mode in self.modes)


OPERATOR: Final = {"cancel": 2, "terminate": 2, "reset": 2, "reset_last": 2}
USUAL: Final = Kind("usual", {**OPERATOR, "kill": 3, "pause": 1, "outage": 1, "forget": 1, "make_anew": 1, "create": 1})
KINDS: Final = (
    USUAL,
    Kind(
        "busy operator",
        {"cancel": 4, "terminate": 3, "reset": 3, "reset_last": 3, "kill": 1},
        *(1.5, (1, 2), (2, 3), (1, 2)),
        kube=HANGING,
        driver=STRAGGLING,
    ),
    Kind(
        "PVs go",
        {"make_anew": 4, "remove": 2, "create": 3, "strip": 3, "kill": 2, "restart": 1, "forget": 1, "terminate": 1},
        *(3.0, (1, 3), (2, 3), (2, 3)),
        retentions=(LASTING,),
    ),
    Kind(
        "PVs come late",
        {**OPERATOR, "remove": 5, "create": 2, "kill": 2},
        *(2.0, (1, 2), (2, 3), (1, 2)),
        begins="bare",
        driver=DriverRates(slow_answers=0.04, refusals=0.04, wrong_answers=0.04),
        retentions=(10.0, 120.0, LASTING),
    ),
    Kind(
        "several PVs",
        {"double": 4, "undouble": 2, "terminate": 2, "cancel": 2, "kill": 2, "forget": 1},
        *(3.0, (1, 2), (2, 3), (2, 3)),
        kube=BLIND,
        retentions=(LASTING,),
    ),
    Kind(
        "shared volumes",
        {**OPERATOR, "kill": 2, "pause": 1, "make_anew": 1, "create": 1},
        *(4.0, (1, 3), (3, 4)),
        modes=SHARED,
        clears=0.3,
    ),
    Kind(
        "PVs of sharers go",
        {"remove": 4, "create": 4, "make_anew": 1, "kill": 1},
        *(2.0, (1, 2), (3, 3), (2, 2)),
        modes=SHARED,
        kube=CALMER,
        driver=SLOW,
        retentions=(LASTING,),
        clears=0.3,
    ),
    Kind(
        "mixed modes",
        {**OPERATOR, "kill": 2},
        *(4.0, (1, 2), (2, 3)),
        modes=(*SHARED, *SINGLE),
        clears=0.3,
        settings={"adopt": False},
    ),
    Kind(
        "nodes die",
        {"die": 3, "blink": 2, "taint": 3, "ail": 3, "evacuate": 1, "kill": 2, "terminate": 1, "cancel": 1},
        *(8.0, (2, 5), (3, 4)),
        settings={"node_gone": 40.0},
    ),
    Kind(
        "nodes come back",
        {"lapse": 4, "taint": 1, "kill": 1},
        *(10.0, (2, 4), (2, 2), (2, 2)),
        freezes={"release_volume": 0.7},
        settings={"node_gone": 40.0},
    ),
    Kind(
        "joining",
        {"restart": 3, "kill": 2, "terminate": 1, "outage": 1, "taint": 1},
        *(10.0, (2, 5), (2, 4)),
        begins="attached",
        retentions=(LASTING,),
    ),
    Kind(
        "drift",
        {"terminate": 3, "kill": 2, "forbid": 2, "reset": 1, "pause": 1},
        *(4.0, (1, 3), (2, 3)),
        heedless=True,
        driver=STRAGGLING,
        settings={"reconcile_interval": 30.0, "reconcile_settle": 3.0},
    ),
    Kind(
        "blind workers",
        {"kill": 2, "restart": 1, "pause": 2, "make_anew": 2, "create": 2, "forget": 2, "terminate": 1},
        *(4.0, (1, 3), (2, 3), (2, 3)),
        kube=BLIND,
        retentions=(LASTING,),
    ),
    Kind(
        "writes are forbidden",
        {"forbid": 3, "cancel": 2, "terminate": 2, "reset_last": 1, "kill": 2},
        *(6.0, (1, 3), (2, 3)),
        driver=STRAGGLING,
    ),
    Kind(
        "the driver is ill",
        {"ail_driver": 3, "cancel": 4, "kill": 1},
        *(4.0, (1, 3), (2, 3)),
        settings={"backend_timeout": 5.0, "backend_budget": 15.0},
    ),
    Kind(
        "heals come late",
        {"reset_last": 3, "forbid_all": 1, "kill": 1},
        *(10.0, (2, 4), (2, 2), (2, 2)),
        heedless=True,
        driver=STRAGGLING,
        settings={
            "clear_budget": 5.0,
            "backend_timeout": 5.0,
            "backend_budget": 15.0,
            "reconcile_interval": 10.0,
            "reconcile_settle": 1.0,
        },
        freezes={"heal_drift": 0.9},
    ),
    Kind(
        "workers freeze",
        {"cancel": 6, "terminate": 1, "kill": 1, "forget": 1},
        *(2.0, (1, 3), (2, 3), (2, 3)),
        freezes={WORKFLOW_TASK: 0.2},
        repeats=0.5,
    ),
    Kind(
        "runs go back",
        {"reset": 3, "reset_last": 4, "kill": 1},
        *(1.5, (1, 2), (2, 3), (1, 2)),
        heedless=True,
        kube=FORBIDDING,
        repeats=0.5,
    ),
    Kind(
        "views differ",
        {"make_anew": 6, "kill": 1},
        *(3.0, (1, 2), (2, 2), (3, 3)),
        kube=BLIND,
        retentions=(LASTING,),
        clears=0.15,
    ),
    Kind(
        "holds outlive their publishes",
        {"reset": 1, "reset_last": 3, "kill": 1},
        *(4.0, (1, 3), (2, 3), (1, 2)),
        begins="bare",
        kube=CALMER,
        driver=DriverRates(slow_answers=0.04, refusals=0.04, wrong_answers=0.04),
        retentions=(5.0,),
        settings={"adopt": False},  # NB: VolumeAttachments would speak for whom a hold forgets
    ),
)
BY_NAME: Final = {kind.name: kind for kind in KINDS}
