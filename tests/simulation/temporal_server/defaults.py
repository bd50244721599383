"""Defaults and words of the server."""

from __future__ import annotations

from typing import Final

DEFAULT_TIMEOUT: Final = 10.0
"""Seconds that a workflow task may take where nobody says."""
WORKFLOW_TASK: Final = "workflow task"
