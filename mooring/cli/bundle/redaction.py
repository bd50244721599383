"""Secrets, kept out of a bundle: variables that bear one go by their name alone, and the value is hidden wherever it appears.

Contract: of variables only settings of Mooring have values in a bundle, none of which is a secret.

Not kept here: secrets of CSI calls, which are in no payload, log or annotation to begin with (docs/design.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from mooring.settings import PREFIX, Settings

HIDDEN: Final = b"[hidden]"
SHORTEST: Final = 6
"""Characters of the shortest value that is hidden: a shorter one is part of too many words."""
_SECRET: Final = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|AUTH|HEADERS", re.IGNORECASE)
_SETTINGS: Final = frozenset(f"{PREFIX}{name.upper()}" for name in Settings.model_fields)
_OTHERS: Final = re.compile(r"MOORING_|TEMPORAL_|OTEL_|KUBECONFIG$|KUBERNETES_|GRPC_|(HTTPS?|NO|ALL)_PROXY$", re.IGNORECASE)


class Redaction:
    """The secrets that the variables hold, and what hides them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        found = {part for name, value in environ.items() for part in _secrets(name, value)}
        self._secrets = sorted((each.encode() for each in found if len(each) >= SHORTEST), key=len, reverse=True)

    def hide(self, content: bytes) -> bytes:
        """Return the content without them."""
        for secret in self._secrets:
            content = content.replace(secret, HIDDEN)
        return content


def variables(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings of Mooring among the variables, and the names of the others that matter to it."""
    others = sorted(name for name in environ if name not in _SETTINGS and _OTHERS.match(name))
    return {"settings": {name: environ[name] for name in sorted(environ) if name in _SETTINGS}, "also set": others}


def _secrets(name: str, value: str) -> Iterable[str]:
    if name in _SETTINGS:
        return
    if _SECRET.search(name):
        yield value
    if "@" in value and "://" in value:
        yield urlsplit(value).netloc.rpartition("@")[0]
