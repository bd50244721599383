"""The alerts fire when they should, explain what to do, and lead to the handbook."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import yaml

from mooring.models import Skip
from mooring.models.adoption import Verdict
from mooring.states import State
from tests.harness.repository import ROOT
from tests.project.monitoring.conftest import SHIPPED, Promtool

Rules = list[dict[str, Any]]
HANDBOOK = "docs/operations.md"


def matched(rules: Rules, label: str) -> set[str]:
    """Return the values of a label that the rules look for."""
    matchers = [re.findall(rf'\b{label}[=!]~?"([^"]+)"', rule["expr"]) for rule in rules]
    return {value for found in matchers for each in found for value in each.split("|")}


async def test_prometheus_takes_the_rules(promtool: Promtool) -> None:
    assert "SUCCESS" in await promtool.run("check", "rules", "--lint=all", "--lint-fatal", SHIPPED / "rules.yaml")


async def test_every_alert_fires_when_it_should_and_not_when_it_should_not(promtool: Promtool) -> None:
    await promtool.run("test", "rules", SHIPPED / "rules_test.yaml")


def test_every_alert_is_among_those_that_promtool_tests(alerts: Rules) -> None:
    tests = yaml.safe_load((SHIPPED / "rules_test.yaml").read_text())["tests"]
    samples = [sample for test in tests for each in test.get("promql_expr_test", []) for sample in each["exp_samples"]]
    fired = {name for sample in samples for name in re.findall(r'alertname="(\w+)"', sample["labels"])}

    assert fired == {rule["alert"] for rule in alerts}


def test_every_alert_says_how_bad_it_is_what_it_means_and_what_to_do(alerts: Rules) -> None:
    for rule in alerts:
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}, rule["alert"]
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}, rule["alert"]
        assert rule["annotations"]["summary"].endswith((".", ").")), rule["alert"]


def test_every_alert_has_a_section_in_the_handbook_and_every_section_an_alert(alerts: Rules) -> None:
    alerting = (ROOT / HANDBOOK).read_text().split("\n## Alerts\n")[1].split("\n## ")[0]
    sections = re.findall(r"^### (.+)$", alerting, re.MULTILINE)

    assert sections == [rule["alert"] for rule in alerts]
    assert [rule["annotations"]["runbook_url"] for rule in alerts] == [f"{HANDBOOK}#{name.lower()}" for name in sections]


def test_the_outcomes_verdicts_and_reasons_that_rules_look_for_exist(rules: Rules) -> None:
    assert matched(rules, "outcome") <= set(State)
    assert matched(rules, "verdict") <= set(Verdict)
    assert matched(rules, "reason") <= set(Skip)


def test_the_steps_that_rules_look_for_exist(rules: Rules) -> None:
    sources = "".join(path.read_text() for path in (ROOT / "activities").glob("*.py"))
    names = re.findall(r'@activity\.defn\(name="(\w+)"\)', sources)
    wanted = matched(rules, "activity_type")

    assert wanted
    assert [value for value in wanted if not any(re.fullmatch(value, name) for name in names)] == []


def test_the_custom_resource_has_the_same_rules_and_leads_to_the_handbook_where_it_can_be_read() -> None:
    script = ["bash", str(SHIPPED / "custom-resource.sh"), "https://docs.example/mooring/"]
    resource = yaml.safe_load(subprocess.run(script, capture_output=True, check=True, timeout=30).stdout)
    plain = (SHIPPED / "rules.yaml").read_text().replace("runbook_url: ", "runbook_url: https://docs.example/mooring/")

    assert resource["kind"] == "PrometheusRule"
    assert resource["spec"] == yaml.safe_load(plain)


def test_the_custom_resource_has_the_rules_as_they_are_where_no_address_is_given() -> None:
    printed = subprocess.run(["bash", str(SHIPPED / "custom-resource.sh")], capture_output=True, check=True, timeout=30).stdout

    assert yaml.safe_load(printed)["spec"] == yaml.safe_load((SHIPPED / "rules.yaml").read_text())
