"""Faults of one line each, planted in the deployed code: a campaign is worth what it finds of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from tests.simulation import bugs

Bug = Callable[[pytest.MonkeyPatch], None]


BUGS: Final[dict[str, Bug]] = {
    bug.__name__: bug
    for bug in [
        bugs.rollback_gives_way_to_a_cancellation,
        bugs.every_look_is_trusted,
        bugs.unpublish_lets_go_before_it_detaches,
        bugs.claim_is_not_remembered,
        bugs.nothing_is_burned,
        bugs.hold_of_another_node_is_not_seen,
        bugs.rollback_leaves_the_backend,
        bugs.reset_runs_trust_what_waited,
    ]
}
