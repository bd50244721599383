"""The bound of all that a test waits for, where it means no deadline."""

from typing import Final

# Seconds; longer than anything takes on a busy machine: only a test that fails waits as long.
PATIENCE: Final = 90.0
# Seconds that a search or a simulation may compute: it waits for nothing, and is sure to end, later on a busy machine.
COMPUTING: Final = 3600.0
