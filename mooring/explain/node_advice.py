"""Advice about nodes that hold the volume and are unhealthy.

Contract: nothing here releases a node that may be alive; the advice says first how to make sure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mooring.explain.commands import approve_evacuation, evacuate
from mooring.explain.facts import Advice, Facts, NodeFacts
from mooring.states import State

WAITS: Final = (State.AWAITING_PROOF, State.AWAITING_APPROVAL)


def lost(facts: Facts) -> Iterator[Advice]:
    """Advise on holders that are gone, out of service or not ready, and are not being evacuated."""
    evacuated = {run.about for run in facts.related if run.kind == "evacuation" and run.ended_at is None}
    for held in facts.holders:
        node = facts.node(held.node_id)
        if node is None or held.node_id in evacuated:
            continue
        if not node.exists:
            yield _unknown(node) if node.guessed else _gone(node)
        elif node.out_of_service:
            yield _out_of_service(node)
        elif node.ready in ("False", "Unknown"):
            yield _not_ready(node)


def evacuations(facts: Facts) -> Iterator[Advice]:
    """Advise on holders that are being evacuated."""
    for run in facts.related:
        if run.kind == "evacuation" and run.ended_at is None:
            waits = run.state in WAITS
            by_itself = "It needs no help." if facts.waiters != () else "It waits for a worker that carries out its releases."
            goes_on = "It waits for proof that the node is off, or for your approval." if waits else by_itself
            yield Advice(
                situation="evacuation-waits" if waits else "evacuation-runs",
                says=f"Node {run.about} is being evacuated ({run.state}). {goes_on}",
                commands=(approve_evacuation(run.about) if waits else evacuate(run.about),),
            )


def _gone(node: NodeFacts) -> Advice:
    return Advice(
        situation="holder-gone",
        says=(
            f"Node {node.node_id} holds the volume, and there is no Node {node.name} any more. Evacuate it: its volumes are "
            "released once it is proven to use none."
        ),
        commands=(evacuate(node.node_id),),
    )


def _unknown(node: NodeFacts) -> Advice:
    """Advise on a holder whose Node is unknown, because the driver's node ids are not the Nodes' names."""
    return Advice(
        situation="holder-unknown",
        says=(
            f"Node {node.node_id} holds the volume, and no Node has this name, no CSINode this id. Either it is gone, or the "
            "driver is not registered on it at the moment. If it is gone, evacuate it: its volumes are released once it is proven "
            "to use none."
        ),
        commands=("kubectl get nodes,csinodes", evacuate(node.node_id)),
    )


def _out_of_service(node: NodeFacts) -> Advice:
    return Advice(
        situation="holder-out-of-service",
        says=f"Node {node.node_id} holds the volume and is tainted as out of service, so its volumes may be released.",
        commands=(evacuate(node.node_id),),
    )


def _not_ready(node: NodeFacts) -> Advice:
    return Advice(
        situation="holder-not-ready",
        says=f"Node {node.node_id} holds the volume and is not ready (Ready is {node.ready}). It may still write, so nothing is "
        "released. Repair it; or power it off, make sure that it is off, and only then taint it.",
        commands=(
            f"kubectl describe node {node.name}",
            f"kubectl taint node {node.name} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute",
            evacuate(node.node_id),
        ),
    )
