"""A node's state in memory enters the history only where it matters, so that an older worker can go on with the usual run."""

from __future__ import annotations

import pytest
from pydantic_core import to_json

from mooring.models import NodeVerdict, ObserveResult
from tests.harness.workers import quick

LIMITS = quick("nodes.csi.test").limits(search_attributes=False, backend=False)


def test_the_usual_glance_says_nothing_of_the_node() -> None:
    assert b'"node"' not in to_json(ObserveResult(record=None, waiting=None, limits=LIMITS))


@pytest.mark.parametrize("node", NodeVerdict)
def test_a_glance_is_read_as_it_was_written(node: NodeVerdict) -> None:
    observed = ObserveResult(record=None, waiting=None, limits=LIMITS, node=node)

    assert ObserveResult.model_validate_json(to_json(observed)) == observed
