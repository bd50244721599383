"""Each target of the documents' references exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mooring.cli.main import app

DOCUMENTS = [*Path().glob("*.md"), *Path("docs").glob("*.md")]
IMAGES = Path("docs/images")


def anchors(document: Path) -> set[str]:
    """Return the fragments that a forge gives to the document's headings."""
    titles = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_file_that_a_document_links_to_is_there(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text())

    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_section_that_a_document_links_to_is_there(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:]*)#([^)]+)\)", document.read_text())

    assert [(link, part) for link, part in links if part not in anchors(document.parent / link if link else document)] == []


@pytest.mark.parametrize("template", sorted(Path(".github/ISSUE_TEMPLATE").glob("*.md")), ids=str)
def test_a_template_asks_for_commands_that_there_are(template: Path) -> None:
    asked = re.findall(r"\$ mooring (\w+)", template.read_text())

    assert set(asked) <= {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}


def test_every_picture_is_shown() -> None:
    texts = "".join(document.read_text() for document in DOCUMENTS)

    assert [image.name for image in IMAGES.iterdir() if f"images/{image.name}" not in texts] == []
