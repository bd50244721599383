"""The commands and phrases that advice is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mooring import commands
from mooring.commands import arguments

if TYPE_CHECKING:
    from mooring.explain.facts import Facts

BREAK_GLASS: Final = '--as="$(id -un)" --as-group=mooring:break-glass'
"""Options of kubectl for operators writing a record by hand: see deploy/kubernetes/admission.yaml. NB: in a Pod, $USER is empty."""


def unpublish(facts: Facts, node_id: str) -> str:
    """Return the command that releases the volume from the node, from every node if the id is ""."""
    return commands.unpublish(facts.volume_handle, node_id)


def evacuate(node_id: str) -> str:
    """Return the command that releases every volume of the node."""
    return f"mooring evacuate {arguments(node_id)}"


def approve_evacuation(node_id: str) -> str:
    """Return the command that confirms the node to be off."""
    return f"mooring approve {arguments(f'evacuate/{node_id}')} --reason 'How you know that the node is off'"


def history(facts: Facts) -> str:
    """Return the command that shows the volume's operations."""
    return f"mooring history {arguments(facts.volume_handle)}"


def whom(node_id: str) -> str:
    """Return the phrase for the node that an operation is about."""
    return f"for node {node_id}" if node_id else "for every node"
