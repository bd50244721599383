"""The forms for programs: all that the command prints is as docs/output.schema.json has it."""

from __future__ import annotations

import json

from mooring.cli.schema import output_schema
from mooring.client import MooringClient
from tests.cli.conftest import SCHEMA, Mooring
from tests.harness.cluster import Cluster
from worker import MooringWorker


def test_the_documented_schema_is_that_of_the_forms() -> None:
    """To renew it: write what `json.dumps(schema, indent=2)` gives, after a look at what a program loses by the change."""
    assert json.loads(SCHEMA.read_text()) == output_schema()


async def test_the_schema_has_what_each_command_prints(
    worker: MooringWorker, cluster: Cluster, mooring: MooringClient, look: Mooring
) -> None:
    await cluster.create("vol")
    await cluster.create("bad", {cluster.keys.epoch: "many"})
    await mooring.publish("waiting", "node-a")
    changed = [(await look(command, "vol", "node-a", "-o", "json")).form for command in ("publish", "unpublish")]
    failing = cluster.proxy.fail("PATCH", status=503)
    await look("publish", "vol", "node-a", "--timeout", "0.1")

    commands = ["get waiting", "list", "list --open", "explain vol", "explain bad", "history vol", "check"]
    forms = [(await look(*command.split(), "-o", "json")).form for command in commands]
    failing.stop()

    volume, explanation = "mooring.volume/v1", "mooring.explanation/v1"
    others = ["mooring.operation/v1", "mooring.check/v1"]
    assert changed == ["mooring.published/v1", "mooring.unpublished/v1"]
    assert forms == [volume, volume, "mooring.run/v1", explanation, explanation, *others]
