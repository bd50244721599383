"""The tables of docs/settings.md and docs/errors.md agree with the code; tests/guidance has those of the states."""

from __future__ import annotations

import re

from mooring.errors import TABLE
from mooring.settings import Settings
from tests.harness.repository import ROOT

DOCS = ROOT / "docs"


def test_every_setting_is_listed_with_its_default_and_use() -> None:
    rows = re.findall(r"^\| `(MOORING_\w+)` \| `?(.*?)`? \| (.+) \|$", (DOCS / "settings.md").read_text(), re.MULTILINE)

    assert rows == [
        (f"MOORING_{name.upper()}", str(field.default), field.description) for name, field in Settings.model_fields.items()
    ]


def test_every_failure_type_is_listed_with_its_code() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| ([A-Z_]+) \|", (DOCS / "errors.md").read_text(), re.MULTILINE)

    told = {name: code for names, code in rows for name in re.findall(r"\w+", names)}

    assert told == {name: error.grpc_code for name, error in TABLE.items()}
