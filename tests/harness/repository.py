"""The repository that the tests are in."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
