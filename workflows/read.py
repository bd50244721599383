"""ReadVolume: return the holders of a volume, by its live PV."""

from __future__ import annotations

from temporalio import workflow
from temporalio.common import RawValue

with workflow.unsafe.imports_passed_through():
    from mooring.models import VolumeRef, VolumeStatus
    from mooring.names import READ
    from workflows.common.payloads import NOTHING, read_request
    from workflows.common.steps import Steps


@workflow.defn(name=READ)
class ReadVolume:
    """The workflow with the id `read/<driver>/<volume handle>`; takes a VolumeRef, returns a VolumeStatus."""

    @workflow.run
    async def run(self, request: RawValue = NOTHING) -> VolumeStatus:
        """Look; see the module."""
        asked = read_request(VolumeRef, request)
        steps, _ = await Steps.begin(asked)
        record = (await steps.look()).record
        return VolumeStatus(
            driver=asked.driver,
            volume_handle=asked.volume_handle,
            record=record,
            unpersisted=steps.waiting.attachment if steps.waiting else None,
        )
