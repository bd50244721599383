"""The dashboard imports, explains itself, and asks Prometheus nothing that it wouldn't understand."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

from tests.project.monitoring.conftest import Promtool

Panels = list[dict[str, Any]]
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    """Return whether two rectangles share anything."""
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


def test_every_panel_has_a_title_an_explanation_and_the_data_source_that_is_chosen(panels: Panels) -> None:
    assert len(panels) > 20
    for panel in panels:
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["datasource"] == DATASOURCE, panel["title"]


def test_ids_and_titles_are_unique(dashboard: dict[str, Any]) -> None:
    for key in ("id", "title"):
        found = [panel[key] for panel in dashboard["panels"]]
        assert len(found) == len(set(found)), key


def test_panels_lie_beside_each_other_within_the_page(dashboard: dict[str, Any]) -> None:
    places = {panel["title"]: panel["gridPos"] for panel in dashboard["panels"]}

    assert [title for title, place in places.items() if place["x"] + place["w"] > COLUMNS] == []
    assert [(one, other) for one, other in combinations(places, 2) if overlap(places[one], places[other])] == []


def test_driver_and_worker_can_be_chosen_and_every_panel_heeds_it(dashboard: dict[str, Any], expressions: list[str]) -> None:
    assert [variable["name"] for variable in dashboard["templating"]["list"]] == ["datasource", "driver", "instance"]
    assert [expression for expression in expressions if 'driver=~"$driver"' not in expression] == []


async def test_prometheus_understands_every_expression(expressions: list[str], promtool: Promtool, tmp_path: Path) -> None:
    records = [{"record": f"panel:expression:{number}", "expr": text} for number, text in enumerate(expressions)]
    rules = tmp_path / "rules.yaml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": records}]}))

    assert f"{len(records)} rules found" in await promtool.run("check", "rules", rules)
