"""The deployed worker on the simulated Temporal, API server and driver at once: the judge has nothing to say."""

from __future__ import annotations

import asyncio
import random

import pytest
from prometheus_client import CollectorRegistry

from activities.context import worker_context
from mooring.client import MooringClient
from mooring.cluster.clientset import clientset_of
from mooring.csi.state import EndpointState
from mooring.errors import MooringError
from mooring.process.metrics import Metrics
from tests.devstack.contract.api import pv_body
from tests.harness.workers import quick
from tests.simulation.api_server import CALM, FaultRates, SimulatedKubernetes
from tests.simulation.checker import Checker, check
from tests.simulation.clock import VirtualLoop, run
from tests.simulation.deployed import ready
from tests.simulation.driver import CALM as CALM_DRIVER
from tests.simulation.driver import DriverRates, SimulatedDriver
from tests.simulation.history import History
from tests.simulation.temporal_core.worker import installed
from tests.simulation.temporal_server.server import Server
from tests.simulation.temporal_server.service import connect
from worker import MooringWorker

DRIVER = "rds.csi.srvlab.io"
SECRET = "canary-of-a-login"
AN_HOUR = 3600.0
CODES = frozenset({409, 429, 500, 503, 504})
SERVER = FaultRates(0.05, 0.05, 0.05, 60, 0.1, 20, 0.05, CODES, ending_watches=0.3, ending_seconds=60, stale_watches=0.2)
AT_THE_DRIVER = DriverRates(0.1, 60, 0.1, 20, 0.05, 0.1)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_goes_wrong_outside_the_worker_keeps_the_promises(seed: int) -> None:
    random.seed(seed)  # NB: the worker's pauses between tries are drawn from here
    history: History = []
    run(_story(seed, history))
    assert len(history) > 100
    assert check(history, Checker(DRIVER, canaries=(SECRET,))) == []


async def _story(seed: int, history: History) -> None:
    dice, metrics = random.Random(seed), Metrics(CollectorRegistry())  # noqa: S311
    server = Server(random.Random(seed), hop=lambda dice: dice.uniform(0.001, 0.01))  # noqa: S311
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    now = loop.now  # NB: the recorder of Events is also called on the loop of a workflow
    kube, driver = SimulatedKubernetes(dice, now, history), SimulatedDriver(dice, now, history)
    kube.seed(pv_body(f"vol-{number}") for number in range(3))
    settings = quick(DRIVER, backend="in:tests")
    with installed():
        async with clientset_of(kube.api(SECRET), settings, "worker-1", now, metrics, loop.time) as doors:
            client, endpoint = connect(server, "worker-1"), EndpointState(DRIVER)
            worker = MooringWorker(
                worker_context(
                    settings, "worker-1", client, doors, driver.backend(), endpoint, metrics, clock=loop.time, now=loop.now
                )
            )
            stop = asyncio.Event()
            running = asyncio.create_task(worker.run(stop))
            await ready(worker)
            kube.faults.rates, driver.rates = SERVER, AT_THE_DRIVER
            mooring = MooringClient(connect(server, "caller"), driver=DRIVER)
            await asyncio.gather(*(_use(mooring, f"vol-{number % 3}", f"node-{number % 4}") for number in range(30)))
            kube.faults.rates, driver.rates = CALM, CALM_DRIVER
            await asyncio.sleep(AN_HOUR)
            stop.set()
            await running


async def _use(mooring: MooringClient, handle: str, node: str) -> None:
    for ask in (mooring.publish, mooring.unpublish):
        try:
            await ask(handle, node)
        except MooringError:
            await asyncio.sleep(1)
