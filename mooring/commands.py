"""The commands that advice names, written so that they are safe to paste, whatever the names in them.

Contract: a shell takes no name apart, and the command takes none for an option; so options precede names.
"""

from __future__ import annotations

import re
import shlex


def arguments(*names: str) -> str:
    """Return the names as a command's arguments, of which a shell takes none apart and the command none for an option."""
    return shlex.join(["--", *names] if any(name.startswith("-") for name in names) else names)


def code(command: str) -> str:
    """Return a command as Markdown shows it, whatever is in it."""
    longest = max((len(run) for run in re.findall("`+", command)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {command} {fence}" if longest else f"`{command}`"


def unpublish(volume: str, node_id: str) -> str:
    """Return the command that releases the volume from the node, from every node if the id is ""."""
    return f"mooring unpublish {arguments(volume, node_id)}" if node_id else f"mooring unpublish --all-nodes {arguments(volume)}"


def set_current_version(namespace: str, deployment: str, build_id: str) -> str:
    """Return the command that has workers of this build get the tasks, those of no version if it is ""."""
    build = f"--build-id {shlex.quote(build_id)}" if build_id else "--unversioned"
    name = f"--namespace {shlex.quote(namespace)} --deployment-name {shlex.quote(deployment)}"
    return f"temporal worker deployment set-current-version {name} {build}"


def filled_in(advice: str, volume: str, node_id: str) -> str:
    """Return advice with these names in place of VOLUME and NODE in its commands, which are in backticks, names last.

    Without a node, an unpublish is one from every node.
    """
    if not node_id:
        advice = advice.replace("mooring unpublish VOLUME NODE", "mooring unpublish --all-nodes VOLUME")
    named = {"VOLUME": volume, "NODE": node_id}

    def names(found: re.Match[str]) -> str:
        return arguments(*(named[name] for name in found[0].split()))

    return re.sub("`([^`]*)`", lambda span: code(re.sub(r"\b(?:VOLUME|NODE)(?: NODE)?$", names, span[1])), advice)
