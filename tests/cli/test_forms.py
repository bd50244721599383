"""The forms for programs, as docs/output.schema.json describes them."""

from __future__ import annotations

import json

from pydantic.json_schema import models_json_schema

from mooring.cli.forms import RunForm, VolumeForm
from tests.cli.conftest import REPOSITORY

SCHEMA = REPOSITORY / "docs" / "output.schema.json"


def test_the_documented_schema_is_that_of_the_forms() -> None:
    """To renew it: write what `json.dumps(schema, indent=2)` gives, after a look at what a program loses by the change."""
    _, schema = models_json_schema([(VolumeForm, "serialization"), (RunForm, "serialization")])
    assert json.loads(SCHEMA.read_text()) == schema
