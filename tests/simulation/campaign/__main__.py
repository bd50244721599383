"""python -m tests.simulation.campaign OPERATIONS SEED"""

from __future__ import annotations

import logging
import os
import sys
import time

from tests.simulation.campaign.world import Plan, play

if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    begun = time.monotonic()
    trace, broken = play(Plan(sys.argv[2], operations=int(sys.argv[1])))
    if len(sys.argv) > 3:
        open(sys.argv[3], "w").write("\n".join(map(str, trace.lines)))
    print(time.monotonic() - begun, len(trace.lines), broken, flush=True)
    os._exit(0)
