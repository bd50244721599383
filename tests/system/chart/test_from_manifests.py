"""From the manifests of deploy/kubernetes, 0.1.0's too, to the chart: the steps of docs/upgrade.md, on a real API server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.harness.chart import CHART, of_kind
from tests.harness.releases import FIRST, unpacked
from tests.harness.repository import ROOT
from tests.system.chart.conftest import PATHS, Release, rendered_names

MANIFESTS: Final = ("rbac.yaml", "admission.yaml", "worker.yaml")
BY_KUBECTL: Final = "?fieldManager=kubectl-client-side-apply"
WORKERS: Final = {"Deployment", "PodDisruptionBudget"}
"""The kinds whose names in the chart have the driver's in them."""
POLICY: Final = "ValidatingAdmissionPolicy"


async def apply(release: Release, sources: Path) -> list[dict[str, Any]]:
    """Apply the manifests of these sources under the name and in the namespace of the release that is to follow; return them."""
    files = [path for file in MANIFESTS if (path := sources / "deploy" / "kubernetes" / file).is_file()]
    text = "\n---\n".join(path.read_text() for path in files)
    renamed = re.sub("([nN]ame): mooring", rf"\1: {release.name}-mooring", text)
    objects = [each for each in yaml.safe_load_all(renamed) if each and each["kind"] != "Namespace"]
    for each in objects:
        if "namespace" in each["metadata"]:
            each["metadata"]["namespace"] = release.namespace
        await release.cluster.ask("POST", PATHS[each["kind"]].format(release.namespace) + BY_KUBECTL, each)
    return objects


@pytest.mark.parametrize("archive", [FIRST, None], ids=["of-0.1.0", "of-this-version"])
async def test_a_release_takes_over_all_that_was_applied_but_the_old_workers(
    release: Release, archive: Path | None, tmp_path: Path
) -> None:
    applied = await apply(release, unpacked(archive, tmp_path / "before") if archive else ROOT)
    await release.helms("install", CHART, "--take-ownership", "--force-conflicts", values=release.values)

    owned = await release.kept()
    assert owned == rendered_names(await release.manifest())
    left = {each["kind"] for each in applied if each["metadata"]["name"] not in owned[each["kind"]]}
    assert left == WORKERS & {each["kind"] for each in applied}


async def test_a_policy_that_was_taken_over_is_the_chart_s(release: Release) -> None:
    assert POLICY in {each["kind"] for each in await apply(release, ROOT)}
    await release.helms("install", CHART, "--take-ownership", "--force-conflicts", values=release.values)

    [rendered] = of_kind([each for each in yaml.safe_load_all(await release.manifest()) if each], POLICY)
    found = await release.cluster.ask("GET", f"{PATHS[POLICY]}/{rendered['metadata']['name']}")
    assert [found["spec"][part] for part in ("variables", "validations")] == [
        rendered["spec"][part] for part in ("variables", "validations")
    ]
