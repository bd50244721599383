"""`mooring up`: a stack that stays up until a signal ends it, and shows how to use it.

The variables for other shells go to standard output, as `export` lines; all else goes to standard error.
"""

import os
import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from rich.console import Console

from mooring.devstack.signals import until_told
from mooring.devstack.stack import Stack, StackOptions
from mooring.devstack.volumes import volume_handle


async def run_until_told(options: StackOptions, environ: Mapping[str, str], output: Console, messages: Console) -> None:
    """Run a stack until SIGINT or SIGTERM.

    Raises:
        StackError: a part can't be started, or has ended by itself.

    """
    await until_told(_stay(options, environ, output, messages))


async def _stay(options: StackOptions, environ: Mapping[str, str], output: Console, messages: Console) -> None:
    messages.print("Starting ...", style="dim")
    async with Stack.start(options, environ) as stack:
        _say(stack, _path(environ), output, messages)
        raise await stack.broken()


def _path(environ: Mapping[str, str]) -> list[str]:
    """Return the line by which another shell finds the command, if this one's PATH doesn't have it."""
    folder = str(Path(sys.executable).parent)
    return [] if folder in environ.get("PATH", "").split(os.pathsep) else [f'export PATH={shlex.quote(folder)}:"$PATH"']


def _say(stack: Stack, path: Iterable[str], output: Console, messages: Console) -> None:
    told = {
        "Temporal UI": [str(stack.temporal.ui_url)],
        "Operations": [stack.runs] if stack.runs else [],
        "Kubernetes": [stack.cluster.what],
        "Volumes": [f"{volume_handle(1)} to {volume_handle(stack.volumes)}"] if stack.volumes else [],
        "Nodes": [f"worker-1 to worker-{stack.nodes}, which the driver calls node-1 to node-{stack.nodes}"] if stack.nodes else [],
        "Workers": [worker.readyz for worker in stack.workers],
        "Logs": [str(stack.folder)],
    }
    for name, lines in told.items():
        for line in lines:
            messages.print(f"  [bold]{name if line is lines[0] else '':13}[/]{line}", soft_wrap=True, highlight=False)
    messages.print("For another shell:", style="dim")
    for line in (*(f"export {name}={shlex.quote(value)}" for name, value in stack.exports.items()), *path):
        output.print(line, soft_wrap=True, highlight=False, markup=False)
    messages.print("Ctrl-C ends everything.", style="dim")
