"""`mooring completion`: the script with which a shell completes the command."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import typer

PROGRAM: Final = "mooring"
VARIABLE: Final = "_MOORING_COMPLETE"
"""The variable by which the script asks the command what may follow; typer's own."""


def completion(
    shell: Annotated[
        Literal["bash", "zsh", "fish"], typer.Argument(metavar="SHELL", help="bash, zsh or fish.", show_default=False)
    ],
) -> None:
    """Print the completion script for SHELL.

    \b
    For one session:
      bash:  source <(mooring completion bash)
      zsh:   source <(mooring completion zsh)      (after compinit)
      fish:  mooring completion fish | source

    \b
    For all sessions:
      bash:  mooring completion bash > /etc/bash_completion.d/mooring
      zsh:   mooring completion zsh > "${fpath[1]}/_mooring"
      fish:  mooring completion fish > ~/.config/fish/completions/mooring.fish
    """
    from typer.completion import get_completion_script  # type: ignore[attr-defined] # it is there, and in no __all__

    typer.echo(get_completion_script(prog_name=PROGRAM, complete_var=VARIABLE, shell=shell))
