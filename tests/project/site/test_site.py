"""The site of docs/: it builds without a dead link, shows every page, needs no other host, and its generated pages are current."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from docs.reference.pages import PAGES
from tests.harness.repository import ROOT

DOCS: Final = ROOT / "docs"
CONFIG: Final = ROOT / "zensical.toml"
BUILD_SECONDS: Final = 100
LOADED: Final = re.compile(r"<(?:script|img|link|iframe)\b[^>]*?\b(?:src|href)=[\"']?((?:https?:)?//[^\"' >]+)")
"""Addresses of other hosts that a browser loads for a page; those that a reader may go to are no part of it."""


def copied(folder: Path) -> Path:
    """Return a copy of what the site is built from."""
    shutil.copytree(DOCS, folder / "docs", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CONFIG, folder)
    return folder


def built(folder: Path) -> subprocess.CompletedProcess[str]:
    """Build the site of a copy, as `make docs` does."""
    command = [str(Path(sys.executable).with_name("zensical")), "build", "--strict", "--clean"]
    env = {**os.environ, "NO_COLOR": "1"}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=BUILD_SECONDS)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site."""
    folder = copied(tmp_path_factory.mktemp("site"))
    done = built(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "dist" / "site"


def named(nav: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the pages in the navigation."""
    for entry in nav:
        for page in entry.values():
            yield from named(page) if isinstance(page, list) else [page]


def test_every_page_is_in_the_navigation_once_and_on_the_site(site: Path) -> None:
    pages = sorted(named(tomllib.loads(CONFIG.read_text())["project"]["nav"]))

    assert pages == sorted(path.name for path in DOCS.glob("*.md"))
    assert [page for page in pages if not (site / page).with_suffix(".html").is_file()] == []


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    texts = {page.name: page.read_text() for page in site.rglob("*.html")}

    assert {name: found for name, text in texts.items() if (found := LOADED.findall(text))} == {}
    assert [name for name, text in texts.items() if 'class="mermaid"' in text] == []  # its script would come from one


def test_the_site_has_no_sources_of_programs(site: Path) -> None:
    assert list(site.rglob("*.py")) == []


@pytest.mark.parametrize("link", ["nowhere.md", "design.md#nowhere"])
def test_a_link_that_leads_nowhere_fails_it(tmp_path: Path, link: str) -> None:
    page = copied(tmp_path) / "docs" / "index.md"
    page.write_text(f"{page.read_text()}\n[a slip]({link})\n")

    done = built(tmp_path)

    assert done.returncode != 0
    assert "does not exist" in done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES)
def test_a_generated_page_says_what_the_code_says(page: str) -> None:
    assert (DOCS / page).read_text() == PAGES[page](), "run `make docs`"
