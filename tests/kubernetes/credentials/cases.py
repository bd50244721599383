"""The table: the content of a kubeconfig, the identity Mooring has with it, and what kubectl 1.37.2 does with the same file.

A case writes its files and returns a value for KUBECONFIG. `seen` is the identity that the server sees; `error` a pattern of the
error instead. kubectl does the same unless `kubectl` differs: the pattern is in its output then, and `OK` is a success.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from tests.kubernetes.credentials.scene import Scene, Seen

OK: Final = "OK"
TOKEN: Final = "t0k3n-0f-the-test"
BEARER: Final[Seen] = {"Authorization": f"Bearer {TOKEN}"}
NOBODY: Final[Seen] = {}
API: Final = "client.authentication.k8s.io/v1"
USABLE: Final = "can't be used: "
PROMPT: Final = "Please enter Username"


@dataclass(frozen=True, slots=True)
class Case:
    """One row."""

    name: str
    write: Callable[[Scene], str]
    seen: Seen | None = None
    error: str = ""
    kubectl: str = ""
    environ: dict[str, str] = field(default_factory=dict)


def user(**fields: Any) -> Callable[[Scene], str]:
    """Return a case that writes a kubeconfig with these fields of its user."""
    return lambda scene: scene.kubeconfig({key.replace("_", "-"): value for key, value in fields.items()})


def cluster(**fields: Any) -> Callable[[Scene], str]:
    """Return a case that writes a kubeconfig with these fields of its cluster, and a token."""
    return lambda scene: scene.kubeconfig({"token": TOKEN}, {key.replace("_", "-"): value for key, value in fields.items()})
