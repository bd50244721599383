"""The schema of all that commands print for programs, as docs/output.schema.json has it: each output is one of these."""

from __future__ import annotations

from typing import Any, TypeAlias

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from mooring.cli.explain_form import ExplanationForm
from mooring.cli.forms import RunForm, VolumeForm
from mooring.cli.report_forms import ChecksForm, DriftForm, OperationForm
from mooring.cli.result_forms import (
    EvacuationForm,
    EvacuationStartedForm,
    FindingForm,
    PublishedForm,
    RebuiltForm,
    UnpublishedForm,
)

Printed: TypeAlias = (
    VolumeForm
    | RunForm
    | ExplanationForm
    | ChecksForm
    | DriftForm
    | tuple[VolumeForm, ...]
    | tuple[RunForm, ...]
    | tuple[OperationForm, ...]
    | PublishedForm
    | UnpublishedForm
    | tuple[RebuiltForm, ...]
    | tuple[FindingForm, ...]
    | EvacuationForm
    | EvacuationStartedForm
)


def output_schema() -> dict[str, Any]:
    """Return the JSON schema."""
    printed: TypeAdapter[Printed] = TypeAdapter(Printed)
    title = {"$schema": GenerateJsonSchema.schema_dialect, "title": "Output of the command mooring, with -o json"}
    return title | printed.json_schema(mode="serialization")
