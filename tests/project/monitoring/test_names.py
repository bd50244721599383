"""A worker shows every metric that the rules and the dashboard ask for, and no label of it names a volume or a node."""

from __future__ import annotations

import re
from typing import Any

from tests.harness.cluster import Cluster
from tests.harness.processes import Fleet
from tests.harness.repository import ROOT
from tests.project.monitoring.conftest import NODE, OTHER_NODE, VOLUME, Promtool

METRICS = (ROOT / "docs" / "metrics.md").read_text()
OF_ALL = {"driver", "le", "service_name", "workflow_type", "task_queue", "namespace"}
"""Labels that every metric may have: Mooring's, a histogram's, and those that the SDK adds to what a workflow counts."""
SHOWN_IN_NEED = {"temporal_long_request_failure_total", "mooring_drift_healed_total"}
"""Counters that are shown only once they have something to count; there are no such troubles here."""


def asked_for(expressions: list[str]) -> set[str]:
    """Return the metrics in these expressions, but for recorded ones."""
    return {name for each in expressions for name in re.findall(r"(?<![\w:])(?:mooring|temporal)_\w+\b(?!:)", each)}


def shown(page: str) -> set[str]:
    """Return the metrics on a page."""
    return set(re.findall(r"^(\w+)[{ ]", page, re.MULTILINE))


def test_a_worker_shows_every_metric_that_the_rules_and_the_dashboard_ask_for(
    page: str, rules: list[dict[str, Any]], expressions: list[str]
) -> None:
    asked = asked_for([rule["expr"] for rule in rules] + expressions)

    assert len(asked) > 20
    assert asked - shown(page) <= SHOWN_IN_NEED


def test_the_dashboard_asks_for_no_record_that_the_rules_do_not_make(rules: list[dict[str, Any]], expressions: list[str]) -> None:
    asked = {name for each in expressions for name in re.findall(r"driver:[\w:]+", each)}

    assert asked == {rule["record"] for rule in rules if "record" in rule}


def test_every_metric_of_mooring_s_own_is_documented_with_its_labels(page: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \| \w+ \| (.*?) \|", METRICS, re.MULTILINE)
    documented = {name: set(re.findall(r"\w+", labels)) for name, labels in rows}
    samples = re.findall(r"^(mooring_\w+)(?<!_created){(.*)}", page, re.MULTILINE)

    assert len(samples) > 20
    for name, labels in samples:
        metric = name if name in documented else re.sub("_(bucket|sum|count)$", "", name)
        assert set(re.findall(r'(\w+)="', labels)) - OF_ALL <= documented[metric]


async def test_prometheus_can_read_the_page(page: str, promtool: Promtool) -> None:
    await promtool.run("check", "metrics", fed=page)


def test_every_sample_of_a_worker_says_its_driver(page: str) -> None:
    [driver] = set(re.findall(r'^mooring_ready{driver="(.+)",role="worker"} 1\.0$', page, re.MULTILINE))
    samples = [line for line in page.splitlines() if not line.startswith("#")]

    assert [line for line in samples if f'driver="{driver}"' not in line] == []


def test_operations_are_measured_beyond_what_callers_wait_for(page: str) -> None:
    limits = re.findall(r'^mooring_operation_duration_seconds_bucket{.*le="([\d.]+)"', page, re.MULTILINE)

    assert {"0.05", "15", "900"} <= set(limits)


def test_no_label_names_a_volume_or_a_node(page: str) -> None:
    assert [name for name in (VOLUME, NODE, OTHER_NODE) if name in page] == []


async def test_a_worker_that_is_not_ready_says_so(fleet: Fleet, cluster: Cluster) -> None:
    with cluster.proxy.outage():
        worker = await fleet.start()
        await worker.answers(503, "rebuilt")
        _, page = await worker.ask("/metrics")

    assert f'mooring_ready{{driver="{cluster.driver}",role="worker"}} 0.0' in page
