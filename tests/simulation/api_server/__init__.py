"""An API server in the process: the rules of the embedded one, without sockets, threads or a clock, and faults by a seed.

Layout: `server` has the objects, their history and the clients; `connections` are what the deployed client sends its requests over;
`faults` decides what becomes of each request and watch; `upsets` are what others do to PVs.

Invariant: all that differs between two runs comes from the `random.Random` that is handed in, and time is the event loop's.
NB: the deployed client draws its pauses between tries from the module `random`, which whoever runs it must seed as well.
"""

from tests.simulation.api_server.faults import CALM, FaultRates
from tests.simulation.api_server.server import SimulatedKubernetes
from tests.simulation.api_server.upsets import Upsets

__all__ = ["CALM", "FaultRates", "SimulatedKubernetes", "Upsets"]
