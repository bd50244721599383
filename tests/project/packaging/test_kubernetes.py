"""The manifests in deploy/kubernetes: exactly the rights that Mooring needs, and a worker that runs with nothing else."""

from __future__ import annotations

from typing import Any

import yaml

import mooring
from mooring.models import DEFAULT_DRIVER
from tests.harness.repository import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"


def manifests(name: str) -> dict[str, dict[str, Any]]:
    """Return the file's objects by their kind."""
    return {each["kind"]: each for each in yaml.safe_load_all((FOLDER / name).read_text())}


def worker() -> dict[str, Any]:
    pod: dict[str, Any] = manifests("worker.yaml")["Deployment"]["spec"]["template"]["spec"]
    return pod


def test_the_cluster_role_grants_the_rights_of_the_design_and_no_more() -> None:
    rules = manifests("rbac.yaml")["ClusterRole"]["rules"]
    granted = {
        (group, resource): set(rule["verbs"]) for rule in rules for group in rule["apiGroups"] for resource in rule["resources"]
    }
    assert granted == {
        ("", "persistentvolumes"): {"get", "list", "watch", "patch"},
        ("storage.k8s.io", "csinodes"): {"list", "watch"},
        ("storage.k8s.io", "volumeattachments"): {"list", "watch"},
        ("", "nodes"): {"list", "watch"},
        ("events.k8s.io", "events"): {"create", "patch"},
    }


def test_the_worker_runs_under_the_account_that_is_bound_to_the_role() -> None:
    rbac = manifests("rbac.yaml")
    [subject] = rbac["ClusterRoleBinding"]["subjects"]
    assert rbac["ClusterRoleBinding"]["roleRef"]["name"] == rbac["ClusterRole"]["metadata"]["name"]
    assert subject["name"] == rbac["ServiceAccount"]["metadata"]["name"] == worker()["serviceAccountName"]


def test_the_admission_policy_is_about_that_account_and_the_default_driver() -> None:
    spec = manifests("admission.yaml")["ValidatingAdmissionPolicy"]["spec"]
    variables = {each["name"]: each["expression"] for each in spec["variables"]}
    account = manifests("rbac.yaml")["ServiceAccount"]["metadata"]
    assert variables["account"] == f"'system:serviceaccount:{account['namespace']}:{account['name']}'"
    assert variables["drivers"] == f"['{DEFAULT_DRIVER}']"


def test_the_worker_is_no_root_and_writes_nothing_but_its_scratch_folder() -> None:
    [container] = worker()["containers"]
    assert worker()["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp"]  # noqa: S108


def test_an_outage_makes_the_worker_unready_and_never_restarts_it() -> None:
    [container] = worker()["containers"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_the_image_is_of_this_version() -> None:
    assert worker()["containers"][0]["image"] == f"mooring:{mooring.__version__}"
