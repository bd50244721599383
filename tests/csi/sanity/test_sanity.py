"""csi-sanity: in front of a driver Mooring is that driver, and without one all passes that a controller alone can pass."""

from __future__ import annotations

from typing import Final

from tests.csi.sanity.suite import Report

CONTROLLER: Final = "Controller Service [Controller Server]"
PUBLISH: Final = f"{CONTROLLER}: ControllerPublishVolume: should fail when"
VALIDATE: Final = f"{CONTROLLER}: ValidateVolumeCapabilities: should"
CREATES_VOLUMES: Final = {
    f"{CONTROLLER}: ListVolumes: check the presence of new volumes and absence of deleted ones in the volume list",
    f"{VALIDATE} fail when no volume capabilities are provided",
    f"{VALIDATE} return appropriate values (no optional values added)",
    f"{PUBLISH} the node does not exist",
    f"{PUBLISH} the volume is already published but is incompatible",
    f"{CONTROLLER}: volume lifecycle: should work",
    f"{CONTROLLER}: volume lifecycle: should be idempotent",
}
"""Specs that create volumes; tests/csi/ asks the same of Mooring alone, of volumes that have PVs."""
ASKS_THE_NODE: Final = {f"{PUBLISH} publishing more volumes than the node max attach limit"}
PASSED: Final = {
    "Identity Service: GetPluginCapabilities: should return appropriate capabilities",
    "Identity Service: GetPluginInfo: should return appropriate information",
    "Identity Service: Probe: should return appropriate information",
    f"{CONTROLLER}: ControllerGetCapabilities: should return appropriate capabilities",
    f"{CONTROLLER}: ListVolumes: should return appropriate values (no optional values added)",
    f"{CONTROLLER}: ListVolumes: should fail when an invalid starting_token is passed",
    f"{VALIDATE} fail when no volume id is provided",
    f"{VALIDATE} fail when the requested volume does not exist",
    f"{PUBLISH} no volume id is provided",
    f"{PUBLISH} no node id is provided",
    f"{PUBLISH} no volume capability is provided",
    f"{PUBLISH} the volume does not exist",
    f"{CONTROLLER}: ControllerUnpublishVolume: should fail when no volume id is provided",
}


def test_what_fails_on_the_driver_alone_has_to_do_neither_with_publish_nor_with_unpublish(alone: Report) -> None:
    assert alone.named("failed")
    assert not {name for name in alone.named("failed") if "Publish" in name or "Unpublish" in name or "lifecycle" in name}


def test_in_front_of_the_driver_every_spec_ends_as_on_the_driver_alone(alone: Report, fronted: Report) -> None:
    assert fronted.states() == alone.states()
    assert len(fronted.named("passed")) > 70


def test_without_a_driver_all_passes_that_needs_neither_volumes_made_nor_a_node_service(controller_only: Report) -> None:
    assert controller_only.named("passed") == PASSED


def test_without_a_driver_only_that_fails_which_creates_volumes_or_asks_a_node(controller_only: Report) -> None:
    failed = controller_only.named("failed")

    assert {name for name in failed if not name.startswith("Node Service")} == CREATES_VOLUMES | ASKS_THE_NODE
    assert not {name for name in failed if "Unimplemented" not in controller_only.why(name)}


def test_without_a_driver_only_that_is_skipped_for_which_mooring_claims_no_capability(controller_only: Report) -> None:
    skipped = controller_only.named("skipped")

    assert not {name for name in skipped if not controller_only.why(name).endswith(" not supported")}
