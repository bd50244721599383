"""The program that writes the generated pages into docs/: `python -m docs.reference`."""

from __future__ import annotations

from pathlib import Path

from docs.reference.pages import PAGES

for name, page in PAGES.items():
    (Path(__file__).parents[1] / name).write_text(page())
