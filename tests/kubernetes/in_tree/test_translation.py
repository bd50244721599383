"""PVs with an in-tree source have the volume handle by which external-attacher publishes them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mooring.kubernetes import in_tree
from mooring.kubernetes.api import KubernetesApi, Request
from mooring.kubernetes.list_watch import ListPage
from mooring.kubernetes.pv_objects import PV, Pv, PvLists, handle
from mooring.models import Skip
from tests.harness.cluster import PVS, Cluster
from tests.harness.patience import PATIENCE
from tests.kubernetes.in_tree.cases import AWS, CASES, CINDER, GCE, Case

NODE = "projects/prod/zones/us-central1-f/instances/node-1"


def placed(case: Case, pv: Pv) -> str:
    found = handle(case.driver, pv)
    return "" if found is Skip.UNTRANSLATABLE else str(found)


def decoded(case: Case) -> Pv:
    return PV.decode(msgspec.json.encode(case.pv("pv-1")))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_pv_is_placed_by_its_source(case: Case) -> None:
    assert placed(case, decoded(case)) == case.handle.format(pv="pv-1")


@pytest.mark.parametrize("case", [case for case in CASES if case.driver != CINDER], ids=str)
def test_a_pv_of_a_source_that_another_driver_serves_is_none_of_the_drivers(case: Case) -> None:
    assert handle(CINDER, decoded(case)) is Skip.NOT_CSI


@pytest.mark.parametrize("kind", ["managed", "MANAGED", None])
def test_a_managed_azure_disk_is_one_however_it_is_written(kind: str | None) -> None:
    assert in_tree.translate(in_tree.AzureDisk("/disks/1", kind), in_tree.About("pv-1", {}, {}, "")) == "/disks/1"


def test_a_source_that_names_nothing_has_no_handle() -> None:
    with pytest.raises(in_tree.Untranslatable, match="names no volume"):
        in_tree.translate(in_tree.CinderDisk(""), in_tree.About("pv-1", {}, {}, ""))


@pytest.mark.parametrize(
    ("listed", "node", "handles"),
    [
        ("projects/p/zones/z-1-a/disks/d", "projects/p/zones/z-1-a/instances/n", ["p/zones/z-1-a", "?/zones/z-1-a", "?/zones/?"]),
        ("projects/p/zones/z-1-a/disks/d", "projects/p/zones/z-1-b/instances/n", ["p/zones/z-1-a", "?/zones/z-1-a"]),
        ("projects/p/zones/z-1-a/disks/d", "projects/q/zones/z-1-a/instances/n", ["p/zones/z-1-a"]),
        ("projects/p/regions/z-1/disks/d", "projects/p/zones/z-1-a/instances/n", ["p/regions/z-1", "?/regions/z-1"]),
        ("projects/p/zones/z-1-a/disks/d", "node-a", ["p/zones/z-1-a"]),
    ],
)
def test_a_disk_that_the_driver_lists_is_found_by_what_its_pv_says(listed: str, node: str, handles: list[str]) -> None:
    paths = [f"projects/{path.replace('?', in_tree.UNSPECIFIED)}/disks/d" for path in handles]
    assert in_tree.handles(GCE, listed, node) == paths
    assert in_tree.handles(AWS, listed, node) == [listed]


async def test_the_library_of_external_attacher_says_the_same(assets: Path) -> None:
    answers = await translate(assets, [{"pv": case.pv("pv-1"), "node": NODE} for case in CASES])
    assert [answer["handle"] for answer in answers] == [case.handle.format(pv="pv-1") for case in CASES]
    assert [answer["driver"] for answer in answers if answer["handle"]] == [case.driver for case in CASES if case.handle]


async def test_the_library_calls_a_disk_by_its_node_as_the_driver_lists_it(assets: Path) -> None:
    handles = [case for case in CASES if case.handle and case.driver in (AWS, GCE)]
    answers = await translate(assets, [{"pv": case.pv("pv-1"), "node": NODE} for case in handles])
    assert [answer["repaired"] for answer in answers] == [in_tree.repaired(case.handle, NODE) for case in handles]


@pytest.mark.parametrize(
    "source", ["awsElasticBlockStore", "gcePersistentDisk", "azureDisk", "azureFile", "vsphereVolume", "cinder"]
)
async def test_the_library_asks_for_it_readonly_where_the_source_says_so(assets: Path, source: str) -> None:
    case = next(case for case in CASES if case.handle and source in case.source)
    readonly = {**case.pv("pv-1"), "spec": {source: {**case.source[source], "readOnly": True}}}
    if source == "azureFile":
        readonly["spec"][source]["secretNamespace"] = "team"
    (answer,) = await translate(assets, [{"pv": readonly}])
    found = in_tree.source(case.driver, PV.decode(msgspec.json.encode(readonly)).spec)
    assert found is not None
    assert bool(found.read_only) is answer["readOnly"]


async def test_a_list_places_them_in_protobuf_as_in_json(api: KubernetesApi, cluster: Cluster) -> None:
    made = {f"{number}-{cluster.pv('intree')}": case for number, case in enumerate(CASES)}
    for name, case in made.items():
        await cluster.ask("POST", PVS, case.pv(name))
    for compact in (False, True):
        page: ListPage[Pv] = PvLists().decode(await api.request(Request("list", "GET", PVS, compact=compact)))
        listed = {pv.metadata.name: pv for pv in page.items}
        found = {name: placed(case, listed[name]) for name, case in made.items()}
        assert found == {name: case.handle.format(pv=name) for name, case in made.items()}


async def translate(assets: Path, asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the answers of the library."""
    pipe = asyncio.subprocess.PIPE
    program = await asyncio.create_subprocess_exec(assets / "translate-volumes", stdin=pipe, stdout=pipe)
    async with asyncio.timeout(PATIENCE):
        told, _ = await program.communicate(json.dumps(asked).encode())
    answers: list[dict[str, Any]] = json.loads(told)
    return answers


@pytest.mark.parametrize(
    ("one", "other", "perhaps"),
    [
        ("projects/UNSPECIFIED/zones/z/disks/x", "projects/p/zones/z/disks/x", True),
        ("projects/UNSPECIFIED/zones/UNSPECIFIED/disks/x", "projects/p/zones/z/disks/x", True),
        ("projects/UNSPECIFIED/zones/UNSPECIFIED/disks/x", "projects/UNSPECIFIED/zones/z/disks/x", True),
        ("projects/UNSPECIFIED/regions/r/disks/x", "projects/p/regions/r/disks/x", True),
        ("projects/UNSPECIFIED/zones/z/disks/x", "projects/p/zones/y/disks/x", False),
        ("projects/UNSPECIFIED/zones/z/disks/x", "projects/p/zones/z/disks/y", False),
        ("projects/UNSPECIFIED/zones/UNSPECIFIED/disks/x", "projects/p/regions/r/disks/x", False),
        ("projects/p/zones/z/disks/x", "projects/q/zones/z/disks/x", False),
        ("projects/p/zones/z/disks/x", "projects/p/zones/z/disks/x", False),
        ("vol-0a1", "vol-0a1", False),
    ],
)
def test_two_handles_may_be_of_one_gce_disk_where_one_leaves_open_in_what_they_differ(one: str, other: str, perhaps: bool) -> None:
    assert bool(in_tree.perhaps_one([one, other])) is perhaps
