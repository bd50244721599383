"""Kubernetes and the records in it: Mooring has the rights for its work, and the PVs' records can be read.

Nothing is changed: the one write is a dry run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import msgspec

from mooring.checks.admission import is_for_others, protected
from mooring.checks.results import Answer, Question, failed, ok, skipped, unknown, warning
from mooring.checks.rights import missing_rights
from mooring.cluster.persistent_volumes import FIELD_MANAGER
from mooring.cluster.record_list import Records, duplicates, read_records, volumes_of
from mooring.errors import KubernetesForbidden, MalformedRecord, MooringError
from mooring.kubernetes import in_tree
from mooring.kubernetes.api import NotFound, Refused, Request
from mooring.kubernetes.list_watch import decode
from mooring.kubernetes.pv_objects import PVS
from mooring.models import VolumeRef, Write
from mooring.process.clock import utc_now
from mooring.process.words import counted
from mooring.records.annotations import patch

if TYPE_CHECKING:
    from mooring.checks.rights import Account
    from mooring.kubernetes.api import KubernetesApi
    from mooring.records.compact import CompactRecord

KUBERNETES: Final = "Kubernetes"
RECORDS: Final = "Records"
REACHABLE: Final = "kubernetes-reachable"
RIGHTS: Final = "kubernetes-permissions"
READABLE: Final = "records-readable"
MAX_REPORTED: Final = 5
"""Number of problems that a check names one by one."""
CSI_DRIVERS: Final = "/apis/storage.k8s.io/v1/csidrivers"
_CONNECT: Final = "Set KUBECONFIG, or --kubeconfig, to a file with which `kubectl version` reaches the cluster."
_GRANT: Final = "kubectl apply -f deploy/kubernetes/rbac.yaml"
_OTHERS: Final = "Run this as a user who may create subjectaccessreviews, or in a worker's Pod without --account."


class _Version(msgspec.Struct):
    gitVersion: str = ""  # noqa: N815 - the API's name


class _DriverSpec(msgspec.Struct, rename="camel"):
    attach_required: bool | None = None


class _Driver(msgspec.Struct):
    spec: _DriverSpec = msgspec.field(default_factory=_DriverSpec)


_VERSION: Final = msgspec.json.Decoder(_Version)
_DRIVER: Final = msgspec.json.Decoder(_Driver)


class KubernetesChecks:
    """The questions to one API server about one driver. `account` is the one whose rights are checked, None for the user's own.

    `connect` makes the client, which `close` closes.
    """

    def __init__(self, connect: Callable[[], Awaitable[KubernetesApi]], driver: str, account: Account | None) -> None:
        self._connect = connect
        self._driver = driver
        self._account = account
        self._api: KubernetesApi | None = None
        self._records = Records()

    def questions(self) -> Sequence[Question]:
        """Return all questions, in order."""
        there, read = (REACHABLE,), (REACHABLE, READABLE)
        whose = str(self._account or "This account")
        return (
            Question(KUBERNETES, REACHABLE, "The API server can be reached", self._reachable, _CONNECT),
            Question(KUBERNETES, RIGHTS, f"{whose} has the rights of a worker", self._rights, needs=there),
            Question(
                KUBERNETES, "kubernetes-csidriver", f"CSIDriver {self._driver} asks for attachments", self._csi_driver, needs=there
            ),
            Question(
                KUBERNETES, "kubernetes-admission", "Records are protected by the admission policy", self._admission, needs=there
            ),
            Question(RECORDS, READABLE, "The PersistentVolumes can be listed", self._readable, needs=there),
            Question(
                RECORDS, "records-placed", "Every PersistentVolume of the driver has a volume handle", self._placed, needs=read
            ),
            Question(RECORDS, "records-sound", "Every record can be read", self._sound, needs=read),
            Question(RECORDS, "records-unique", "The PersistentVolumes of a volume agree", self._unique, needs=read),
            Question(RECORDS, "records-patch", "A record can be written (dry run)", self._patched, needs=(*read, RIGHTS)),
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._api is not None:
            await self._api.close()

    @property
    def _kubernetes(self) -> KubernetesApi:
        if self._api is None:
            raise LookupError("not connected")
        return self._api

    async def _reachable(self) -> Answer:
        self._api = await self._connect()
        request = Request("ask the API server for its version", "GET", "/version")
        return ok(decode(_VERSION, request, await self._api.request(request)).gitVersion)

    async def _rights(self) -> Answer:
        try:
            missing = await missing_rights(self._kubernetes, self._account)
        except NotFound:
            return ok("this API server has no access reviews; an embedded one has no access control")
        except KubernetesForbidden as error:
            return failed(str(error).removesuffix(error.advice).rstrip(), _OTHERS)
        if not missing:
            return ok()
        grant = "Grant the workers' account what it lacks."
        hint = "" if self._account else " These are your own rights; --account mooring:mooring checks those of the workers."
        return failed(f"{self._account or 'This account'} may not {', '.join(missing)}.", f"{grant}{hint}", _GRANT)

    async def _csi_driver(self) -> Answer:
        request = Request(f"read CSIDriver {self._driver}", "GET", f"{CSI_DRIVERS}/{quote(self._driver, safe='')}")
        try:
            required = decode(_DRIVER, request, await self._kubernetes.request(request)).spec.attach_required
        except NotFound:
            return warning(f"There is no CSIDriver {self._driver}.", "Install the driver, or correct MOORING_DRIVER or --driver.")
        except KubernetesForbidden:
            return unknown("get csidrivers.storage.k8s.io")
        if required is False:
            why = f"CSIDriver {self._driver} has attachRequired false: Kubernetes never asks for its volumes to be attached."
            return warning(why, "Recreate the CSIDriver with attachRequired true; the field can't be changed.")
        return ok()

    async def _admission(self) -> Answer:
        return await protected(self._kubernetes, self._driver)

    async def _readable(self) -> Answer:
        self._records = await read_records(volumes_of(self._kubernetes, self._driver, utc_now))
        seen = self._records.records
        held = sum(bool(each.nodes) for each in seen)
        nodes = counted(sum(len(each.nodes) for each in seen), "node")
        return ok(f"{len(seen)} of driver {self._driver}, {held} of them attached to {nodes}")

    async def _placed(self) -> Answer:
        return _told_of(self._records.untranslatable)

    async def _sound(self) -> Answer:
        problems = [each.problem for each in self._records.records if each.problem]
        return _told([problem.removesuffix(MalformedRecord.advice).rstrip() for problem in problems], MalformedRecord.advice)

    async def _unique(self) -> Answer:
        wrong = duplicates(self._records.records)
        pairs = in_tree.perhaps_one(seen.handle for seen in self._records.records) if self._driver == in_tree.GCE else []
        if wrong or not pairs:
            return _told_of(wrong)
        named = "; ".join(f"{one} and {other}" for one, other in pairs[:MAX_REPORTED])
        more = f"; and {len(pairs) - MAX_REPORTED} more pairs" if len(pairs) > MAX_REPORTED else ""
        return warning(
            f"Each of these pairs may be one disk, but counts as two volumes, fenced separately: {named}{more}.",
            "Keep one PersistentVolume of each disk, or never use it on two nodes.",
        )

    async def _patched(self) -> Answer:
        if self._account:
            return skipped("the dry run has the rights of the user who runs this command, not those of --account")
        sound = next((each for each in self._records.records if not each.problem), None)
        return await self._try_to_write(sound) if sound else skipped(f"driver {self._driver} has no PersistentVolume to try it on")

    async def _try_to_write(self, seen: CompactRecord) -> Answer:
        """Try the write of a renewal as a dry run."""
        record = seen.record()
        volume = VolumeRef.model_construct(driver=self._driver, volume_handle=seen.handle)
        write = Write(volume=volume, mark=record.mark, operation=record.operation, holders=record.holders)
        query = {"fieldManager": FIELD_MANAGER, "dryRun": "All"}
        path = f"{PVS}/{quote(seen.pv, safe='')}"
        request = Request(
            f"write the record on PersistentVolume {seen.pv}, as a dry run", "PATCH", path, query, patch(write, write.parts[0])
        )
        try:
            await self._kubernetes.request(request)
        except (Refused, NotFound):
            return skipped(f"PersistentVolume {seen.pv} changed during the check")
        except KubernetesForbidden as error:
            if is_for_others(str(error)):
                return skipped("the admission policy lets only the workers' account write; to try it, run this in a worker's Pod")
            raise
        return ok(seen.pv)


def _told_of(errors: Sequence[MooringError]) -> Answer:
    return _told([str(error).removesuffix(error.advice).rstrip() for error in errors], errors[0].advice if errors else "")


def _told(problems: Sequence[str], fix: str) -> Answer:
    if not problems:
        return ok()
    more = f" And {len(problems) - MAX_REPORTED} more." if len(problems) > MAX_REPORTED else ""
    return failed(" ".join(problems[:MAX_REPORTED]) + more, fix)
