"""Pages of PVs in protobuf: they have what they have in JSON."""

from __future__ import annotations

import pytest

from mooring.cluster.record_reader import CHUNK, RecordReader
from mooring.errors import KubernetesUnavailable
from mooring.kubernetes.api import KubernetesApi, Request
from mooring.kubernetes.kube_pb2 import ListMeta, PersistentVolume
from mooring.kubernetes.protobuf import ITEMS, MAGIC, METADATA, RAW
from mooring.kubernetes.pv_objects import PvLists
from mooring.models import DEFAULT_DRIVER, Skip
from mooring.records.compact import CompactRecord
from mooring.records.keys import Keys
from mooring.records.store import Page
from tests.harness.cluster import PVS, Cluster
from tests.harness.records import NOW

KEYS = Keys.of(DEFAULT_DRIVER)


def body(*pvs: PersistentVolume) -> bytes:
    """Return a page as the API server sends it."""
    parts = [field(METADATA, ListMeta(resource_version="7").SerializeToString())]
    return MAGIC + field(RAW, b"".join([*parts, *(field(ITEMS, pv.SerializeToString()) for pv in pvs)]))


def field(number: int, content: bytes) -> bytes:
    """Return a field of bytes; its number is below 16, its length below 16,384."""
    low, high = len(content) & 0x7F, len(content) >> 7
    return bytes([number << 3 | 2, *([low | 0x80, high] if high else [low])]) + content


def csi_pv(name: str, annotations: dict[str, str] | None = None) -> PersistentVolume:
    """Return a PV of the default driver."""
    pv = PersistentVolume()
    pv.metadata.name = name
    pv.metadata.annotations.update(annotations or {})
    pv.spec.source.csi.driver = DEFAULT_DRIVER
    pv.spec.source.csi.volume_handle = f"vol-{name}"
    return pv


def pages(sent: bytes, driver: str = DEFAULT_DRIVER) -> list[Page]:
    return list(RecordReader(driver, lambda: NOW).pages(PvLists().decode(sent), first=True))


def records(sent: bytes, driver: str) -> list[CompactRecord]:
    return [seen for page in pages(sent, driver) for seen in page.records]


async def test_a_list_says_the_same_in_protobuf_and_in_json(api: KubernetesApi, cluster: Cluster) -> None:
    await cluster.create("vol-1", {cluster.keys.node: "node-a", cluster.keys.epoch: "3", "other": "x"})
    await cluster.create("vol-2", {cluster.keys.attachments: '[{"nodeId":"node-a"}]', cluster.keys.node: "node-a"})
    await cluster.create("vol-3")
    json = await api.request(Request("list", "GET", PVS))
    compact = await api.request(Request("list", "GET", PVS, compact=True))
    found = records(compact, cluster.driver)
    assert found == records(json, cluster.driver)
    assert [seen.handle for seen in found] == ["vol-1", "vol-2", "vol-3"]


def test_a_pv_of_another_kind_of_source_is_counted() -> None:
    (page,) = pages(body(PersistentVolume()))
    assert (page.records, page.skipped) == ([], {Skip.NOT_CSI: 1})


@pytest.mark.parametrize("annotations", [{}, {"any": "one"}])
def test_whether_there_are_any_annotations_is_known(annotations: dict[str, str]) -> None:
    (page,) = pages(body(csi_pv("pv-1", annotations)))
    assert page.records[0].record().mark.bare is not bool(annotations)


def test_a_long_page_comes_in_parts_of_which_one_is_the_first() -> None:
    found = pages(body(*(csi_pv(f"pv-{number}") for number in range(2 * CHUNK + 1))))
    assert [(page.first, len(page.records)) for page in found] == [(True, CHUNK), (False, CHUNK), (False, 1)]


def test_an_empty_list_is_one_page() -> None:
    assert [(page.first, page.records) for page in pages(body())] == [(True, [])]


@pytest.mark.parametrize(
    "damaged",
    [
        MAGIC,
        MAGIC + b"\xff",
        MAGIC + bytes([RAW << 3, 1]),
        MAGIC + field(RAW, field(ITEMS, b"")),
        MAGIC + field(RAW, field(METADATA, b"\xff")),
        MAGIC + field(RAW, field(METADATA, b"") + field(ITEMS, b"\xff")),
        body(csi_pv("pv-1"))[:-1],
    ],
)
def test_damaged_protobuf_is_an_answer_that_did_not_come(damaged: bytes) -> None:
    with pytest.raises(KubernetesUnavailable, match="damaged protobuf"):
        pages(damaged)
