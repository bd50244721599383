"""The demo's 1,000 PersistentVolumes, with every case that a rebuild may meet, and the counts it must arrive at."""

from collections.abc import Iterator
from typing import Any, Final

from mooring.devstack.volumes import pv, pv_name, volume_handle
from mooring.models import DEFAULT_DRIVER, Skip
from mooring.records.keys import Keys

COUNT: Final = 1000
PLAIN: Final = 200
"""Number of volumes that are attached, as an existing driver writes it: node and time, no epoch."""
WITHOUT_TIME: Final = range(201, 206)
BAD_TIME: Final = 206
DETACHED: Final = 207
SHARED: Final = 208
BAD_EPOCH: Final = 209
OTHER_DRIVER: Final = 210
NO_CSI: Final = 211

SUBJECT: Final = volume_handle(700)
SUBJECT_PV: Final = pv_name(700)
"""The volume whose story is told: free, its PV without any annotation."""
LEGACY: Final = volume_handle(1)
"""A volume that an existing driver attached."""
LEGACY_NODE: Final = "host-1"
MALFORMED: Final = volume_handle(BAD_EPOCH)

NODE: Final = "host-a"
SECOND_NODE: Final = "host-b"
THIRD_NODE: Final = "host-c"

ATTACHED: Final = PLAIN + len(WITHOUT_TIME) + 2
HOLDERS: Final = ATTACHED + 1
REPLACED_TIMES: Final = len(WITHOUT_TIME) + 1
SKIPPED: Final = {Skip.MALFORMED.value: 1, Skip.OTHER_DRIVER.value: 1, Skip.NOT_CSI.value: 1}

KEYS: Final = Keys.of(DEFAULT_DRIVER)
TIMES: Final = ("2026-01-31T04:00:41Z", "2026-01-31T04:00:41.123456Z", "2026-01-31T06:00:41+02:00")
"""Without and with fractions of a second, and with an offset: existing drivers write all three."""


def all_pvs() -> Iterator[dict[str, Any]]:
    """Yield the PVs, as objects of the Kubernetes API."""
    for number in range(1, COUNT + 1):
        value = pv(number, "other.csi.example.com" if number == OTHER_DRIVER else DEFAULT_DRIVER, _annotations(number))
        if number == NO_CSI:
            value["spec"]["hostPath"] = {"path": "/srv"}
            del value["spec"]["csi"]
        yield value


def _annotations(number: int) -> dict[str, str] | None:
    node = f"host-{(number - 1) % 20 + 1}"
    if number <= PLAIN:
        return {KEYS.node: node, KEYS.at: TIMES[number % len(TIMES)]}
    if number in WITHOUT_TIME:
        return {KEYS.node: node}
    special = {
        BAD_TIME: {KEYS.node: node, KEYS.at: "yesterday"},
        DETACHED: {KEYS.epoch: "12"},
        SHARED: {KEYS.node: "host-1", KEYS.epoch: "3", KEYS.attachments: _SHARED},
        BAD_EPOCH: {KEYS.node: node, KEYS.epoch: "seven"},
    }
    return special.get(number)


_SHARED = (
    '[{"nodeId":"host-1","attachedAt":"2026-01-31T04:00:41.000000Z","accessMode":"MULTI_NODE_MULTI_WRITER"},'
    '{"nodeId":"host-2","attachedAt":"2026-01-31T04:00:42.000000Z","accessMode":"MULTI_NODE_MULTI_WRITER"}]'
)
