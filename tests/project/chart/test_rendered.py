"""The chart's objects: those of deploy/kubernetes and deploy/monitoring but for what the values say."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import pytest
import yaml

import mooring
from tests.harness.chart import ALL, CHART, CSI, NAMESPACE, PLAIN, RELEASE, Helm, of_kind, pods
from tests.harness.repository import ROOT

FULLNAME: Final = f"{RELEASE}-mooring"


def base(file: str, kind: str) -> dict[str, Any]:
    """Return the one object of a kind in a file of deploy/kubernetes."""
    objects = yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / file).read_text())
    [found] = [each for each in objects if each["kind"] == kind]
    return dict(found)


def environ(container: dict[str, Any]) -> dict[str, str]:
    """Return a container's variables; none is there twice."""
    names = [each["name"] for each in container["env"]]
    assert len(names) == len(set(names))
    return {each["name"]: each["value"] for each in container["env"]}


async def test_no_two_objects_have_one_name_and_all_are_in_the_release_s_namespace(rendered: list[dict[str, Any]]) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in rendered]
    assert len(names) == len(set(names))
    assert all(name.startswith(FULLNAME) for _, name in names)
    assert {each["metadata"].get("namespace", NAMESPACE) for each in rendered} == {NAMESPACE}


async def test_each_driver_has_workers_of_its_own_with_its_settings_over_those_of_all(rendered: list[dict[str, Any]]) -> None:
    by_driver = {each["metadata"]["labels"]["mooring/driver"]: each for each in of_kind(rendered, "Deployment")}
    assert by_driver.keys() == {PLAIN, CSI}
    plain, csi = (environ(by_driver[name]["spec"]["template"]["spec"]["containers"][0]) for name in (PLAIN, CSI))
    assert (plain["MOORING_DRIVER"], csi["MOORING_DRIVER"]) == (PLAIN, CSI)
    assert (plain["MOORING_NODE_CHECK"], csi["MOORING_NODE_CHECK"]) == ("node", "off")
    assert (plain["MOORING_PAGE_SIZE"], csi["MOORING_EVENTS"]) == ("500", "warnings")
    assert (plain["MOORING_LOG_FORMAT"], csi["MOORING_LOG_FORMAT"]) == ("json", "text")


async def test_temporal_is_reached_with_the_address_key_and_certificates_that_are_given(
    rendered: list[dict[str, Any]],
) -> None:
    for pod in pods(rendered):
        mooring_ = pod["containers"][0]
        said = environ(mooring_)
        mounts = {each["name"]: each["mountPath"] for each in mooring_["volumeMounts"]}
        paths = [value for name, value in said.items() if name.startswith("TEMPORAL_TLS_")]
        assert (said["TEMPORAL_ADDRESS"], mooring_["envFrom"]) == ("temporal:7233", [{"secretRef": {"name": "temporal-key"}}])
        assert len(paths) == 3
        assert all(path.startswith(mounts["temporal-tls"]) for path in paths)


async def test_a_driver_s_pod_has_external_attacher_mooring_and_the_driver_on_one_folder(rendered: list[dict[str, Any]]) -> None:
    [pod] = [each for each in pods(rendered) if len(each["containers"]) > 1]
    assert [each["name"] for each in pod["containers"]] == ["mooring", "external-attacher", "driver"]
    assert all({"name": "sockets", "mountPath": "/csi"} in each["volumeMounts"] for each in pod["containers"])
    assert pod["containers"][2]["image"] == "example/driver:v1"


@pytest.mark.parametrize(("file", "kind"), [("rbac.yaml", "ClusterRole"), ("csi.yaml", "ClusterRole"), ("csi.yaml", "Role")])
async def test_the_rights_are_those_of_the_manifests(rendered: list[dict[str, Any]], file: str, kind: str) -> None:
    assert base(file, kind)["rules"] in [each["rules"] for each in of_kind(rendered, kind)]


async def test_every_binding_is_for_the_release_s_account_or_those_who_break_the_glass(
    rendered: list[dict[str, Any]],
) -> None:
    [account] = of_kind(rendered, "ServiceAccount")
    ours = {"kind": "ServiceAccount", "name": account["metadata"]["name"], "namespace": NAMESPACE}
    roles = {each["metadata"]["name"] for each in [*of_kind(rendered, "ClusterRole"), *of_kind(rendered, "Role")]}
    for each in [*of_kind(rendered, "ClusterRoleBinding"), *of_kind(rendered, "RoleBinding")]:
        assert each["roleRef"]["name"] in roles
        assert each["subjects"][0] == ours or each["subjects"][0]["name"] == "mooring:break-glass"


async def test_the_policy_is_that_of_the_manifests_for_these_drivers_and_this_account(rendered: list[dict[str, Any]]) -> None:
    [policy], theirs = of_kind(rendered, "ValidatingAdmissionPolicy"), base("admission.yaml", "ValidatingAdmissionPolicy")
    ours = {"drivers": f"['{PLAIN}', '{CSI}']", "account": f"'system:serviceaccount:{NAMESPACE}:{FULLNAME}'", "shared": "true"}
    for variable, other in zip(policy["spec"]["variables"], theirs["spec"]["variables"], strict=True):
        assert variable["expression"] == ours.get(variable["name"], other["expression"])
    for each, other in zip(policy["spec"]["validations"], theirs["spec"]["validations"], strict=True):
        assert each["expression"] == other["expression"]
        assert "ValidatingAdmissionPolicy mooring" not in each["messageExpression"]


async def test_without_a_driver_s_pod_nobody_shares_the_account(helm: Helm) -> None:
    [policy] = of_kind(await helm.render({**ALL, "drivers": [{"name": PLAIN}]}), "ValidatingAdmissionPolicy")
    assert {"name": "shared", "expression": "false"} in policy["spec"]["variables"]


async def test_alerts_and_dashboard_are_those_that_ship(rendered: list[dict[str, Any]]) -> None:
    text = (ROOT / "deploy/monitoring/rules.yaml").read_text().replace("runbook_url: ", "runbook_url: https://docs.test/0.1.0/")
    [rules], [dashboard] = of_kind(rendered, "PrometheusRule"), of_kind(rendered, "ConfigMap")
    assert rules["spec"] == yaml.safe_load(text)
    shipped = json.loads((ROOT / "deploy/monitoring/dashboard.json").read_text())
    assert json.loads(dashboard["data"]["mooring.json"]) == shipped


async def test_the_pod_monitor_finds_the_metrics_of_every_worker(rendered: list[dict[str, Any]]) -> None:
    [monitor], workers = of_kind(rendered, "PodMonitor"), of_kind(rendered, "Deployment")
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    for pod in (each["spec"]["template"] for each in workers):
        assert monitor["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
        assert endpoint["port"] in [port["name"] for port in pod["spec"]["containers"][0]["ports"]]


async def test_each_driver_s_workers_are_kept_from_being_evicted_all_at_once(rendered: list[dict[str, Any]]) -> None:
    pods_of = {each["metadata"]["name"]: each["spec"]["template"]["metadata"]["labels"] for each in of_kind(rendered, "Deployment")}
    budgets = {each["metadata"]["name"]: each["spec"] for each in of_kind(rendered, "PodDisruptionBudget")}
    assert budgets.keys() == pods_of.keys()
    for name, budget in budgets.items():
        kept = [other for other, labels in pods_of.items() if budget["selector"]["matchLabels"].items() <= labels.items()]
        assert (kept, budget["maxUnavailable"]) == ([name], 1)


async def test_the_network_policy_is_for_the_workers_and_lets_them_reach_temporal_and_the_api_server(
    rendered: list[dict[str, Any]],
) -> None:
    [policy] = of_kind(rendered, "NetworkPolicy")
    for each in of_kind(rendered, "Deployment"):
        assert policy["spec"]["podSelector"]["matchLabels"].items() <= each["spec"]["template"]["metadata"]["labels"].items()
    reached = {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}
    assert {443, 6443, 7233, 53} <= reached


async def test_each_driver_s_test_checks_with_the_settings_and_rights_of_its_workers(rendered: list[dict[str, Any]]) -> None:
    deployments = of_kind(rendered, "Deployment")
    for pod, deployment in zip(of_kind(rendered, "Pod"), deployments, strict=True):
        [check], spec = pod["spec"]["containers"], deployment["spec"]["template"]["spec"]
        theirs = {name: value for name, value in environ(spec["containers"][0]).items() if not name.endswith("_ENDPOINT")}
        assert (check["args"], environ(check), check["image"]) == (["check"], theirs, spec["containers"][0]["image"])
        assert pod["spec"]["serviceAccountName"] == spec["serviceAccountName"]


async def test_every_pod_is_spread_goes_first_and_writes_nowhere_but_to_its_folders(rendered: list[dict[str, Any]]) -> None:
    for pod in pods(of_kind(rendered, "Deployment")):
        assert pod["priorityClassName"] == "system-cluster-critical"
        assert pod["topologySpreadConstraints"][0]["topologyKey"] == "kubernetes.io/hostname"
    assert all(pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] for pod in pods(rendered))


async def test_the_notes_end_in_a_check(helm: Helm) -> None:
    said = await helm.run("install", RELEASE, CHART, "--namespace", NAMESPACE, "--dry-run=client", values=ALL)
    *_, last = said.strip().splitlines()
    assert last.startswith(f"  kubectl exec -n {NAMESPACE} deploy/{FULLNAME}-")
    assert last.endswith(" -- mooring check")


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"drivers": [], "temporal": {"address": "t:7233"}}, "at '/drivers': minItems"),
        ({"drivers": [{"name": PLAIN}]}, "at '/temporal/address': minLength"),
        ({**ALL, "drivers": [{"nmae": PLAIN}]}, "missing property 'name'"),
        ({**ALL, "drivers": [{"name": PLAIN, "csi": {"enabled": True}}]}, "missing property 'driver'"),
        ({**ALL, "drivers": [{"name": PLAIN}, {"name": PLAIN.upper()}]}, "would both have the Deployment"),
        ({**ALL, "replicas": 3}, "additional properties 'replicas' not allowed"),
        ({**ALL, "settings": {"MOORING_DRIVER": "a"}}, "invalid propertyName 'MOORING_DRIVER'"),
    ],
)
async def test_a_mistake_in_the_values_is_refused_by_name(helm: Helm, values: dict[str, Any], fault: str) -> None:
    ran = await helm.ends("template", RELEASE, CHART, values=values)
    assert ran.code != 0
    assert fault in ran.said


async def test_long_names_of_drivers_are_cut_and_stay_apart(helm: Helm) -> None:
    names = [f"{'a' * 61}{last}" for last in "bc"]
    found = of_kind(await helm.render({**ALL, "drivers": [{"name": name} for name in names]}), "Deployment")
    assert len({each["metadata"]["name"] for each in found}) == 2
    assert all(len(f"{each['metadata']['name']}-check") <= 63 for each in found)


async def test_helm_s_own_lint_finds_no_fault(helm: Helm) -> None:
    assert "0 chart(s) failed" in await helm.run("lint", "--strict", CHART, values=ALL)


def test_the_chart_is_of_this_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (mooring.__version__, mooring.__version__)


def test_external_attacher_has_the_version_of_the_manifests() -> None:
    image = yaml.safe_load((CHART / "values.yaml").read_text())["sidecars"]["attacher"]["image"]
    [_, attacher, _] = base("csi.yaml", "Deployment")["spec"]["template"]["spec"]["containers"]
    assert f"{image['repository']}:{image['tag']}" == attacher["image"]


async def test_the_values_that_the_documents_show_give_each_driver_its_workers(helm: Helm) -> None:
    [values] = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "drivers.md").read_text(), re.DOTALL)
    deployments = of_kind(await helm.render({**yaml.safe_load(values), "temporal": {"address": "temporal:7233"}}), "Deployment")
    containers = [each["spec"]["template"]["spec"]["containers"] for each in deployments]
    assert {environ(each[0])["MOORING_DRIVER"]: environ(each[0])["MOORING_EVENTS"] for each in containers} == {
        "ebs.csi.aws.com": "warnings",
        "disk.csi.azure.com": "warnings",
    }
    assert sorted(map(len, containers)) == [1, 3]
