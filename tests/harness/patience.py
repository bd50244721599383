"""The bound of all that a test waits for, where it means no deadline."""

from typing import Final

# Seconds; longer than anything takes on a busy machine: only a test that fails waits as long.
PATIENCE: Final = 90.0
