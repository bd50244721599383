"""The pages of the Temporal UI about runs.

Contract: where the UI's address is unknown, the page is a path, which is the same under every address.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

UI_ADDRESS: Final = "TEMPORAL_UI_ADDRESS"
"""The variable with the URL of the Temporal UI."""


def ui_address(environ: Mapping[str, str]) -> str:
    """Return the URL of the Temporal UI, "" if the environment names none; `host:port` is one as well."""
    address = environ.get(UI_ADDRESS, "").rstrip("/")
    return address if not address or "://" in address else f"http://{address}"


def runs_page(ui: str, namespace: str, query: str) -> str:
    """Return the page that lists the runs which this query finds, in the UI at this URL."""
    return f"{ui}/namespaces/{quote(namespace, safe='')}/workflows?query={quote(query, safe='')}"


def run_page(ui: str, namespace: str, workflow_id: str, run_id: str) -> str:
    """Return the page of a run, in the UI at this URL."""
    return f"{ui}/namespaces/{quote(namespace, safe='')}/workflows/{quote(workflow_id, safe='')}/{run_id}/history"
