"""Stories that no server can be made to play, step by step in the simulated world."""

from __future__ import annotations

from mooring.models import UnpublishRequest, UnpublishResult
from mooring.names import volume_id
from tests.simulation.cluster import VOLUME
from tests.simulation.instance import CONVERTER, Instance
from tests.simulation.steps import carry_out, is_ready
from tests.simulation.temporal import Run
from tests.simulation.world import World
from workflows.publish import PublishVolume
from workflows.unpublish import UnpublishVolume


def test_a_release_of_what_waited_leaves_what_was_recorded_before_it_could_ask_again() -> None:
    world = World(0, faults=False)
    world._start(PublishVolume, "node-a")
    world._rest()
    hold = world.hold()
    assert hold is not None

    release = Run(Instance(UnpublishVolume, volume_id(VOLUME), world.new_id(), released(hold)), "node-a")
    world.begin(release)
    world.task(release)
    world.cluster.create()
    while hold.open:
        go_on(world, hold)
    world._rest()

    assert release.result is not None
    assert "changed nothing" in CONVERTER.from_payload(release.result, UnpublishResult).message
    assert (world.cluster.holders(), world.cluster.attached) == (["node-a"], ["node-a"])


def released(hold: Run) -> UnpublishRequest:
    """Return the request of an evacuation that has listed the hold."""
    return UnpublishRequest(driver=VOLUME.driver, volume_handle=VOLUME.volume_handle, node_id="node-a", at_run=hold.run_id)


def go_on(world: World, run: Run) -> None:
    """Carry out what a run waits for, and its next task."""
    for step in [step for step in run.steps.values() if is_ready(world, step)]:
        world.story.append(step.name)
        carry_out(world, run, step)
    if run.jobs:
        world.task(run)
