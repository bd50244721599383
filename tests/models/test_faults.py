"""The sentences about a malformed input: Mooring's words for the rule, and never the input."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from mooring.models import PublishRequest, UnpublishRequest, VolumeRecord, faults
from mooring.models.evacuation import EvacuateRequest


def said(model: type[BaseModel], given: Any) -> str:
    """Return the sentences about the input, which the model refuses."""
    with pytest.raises(ValidationError) as refused:
        model.model_validate(given)
    return faults(refused.value, "payload")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"node_id": "n"}, "volume_handle is missing"),
        ({"volume_handle": "", "node_id": "n"}, "volume_handle must not be empty"),
        ({"volume_handle": "v" * 1025, "node_id": "n"}, "volume_handle is longer than 1024 bytes"),
        ({"volume_handle": "v", "node_id": 7}, "node_id must be a string"),
        ({"volume_handle": "v", "node_id": "n", "secret": "s3cret"}, "secret is unknown"),
        ({"volume_handle": "v", "node_id": "n", "readonly": "s3cret"}, "readonly must be true or false"),
        ([], "payload is invalid"),
    ],
)
def test_a_fault_names_the_field_and_the_rule(given: Any, sentence: str) -> None:
    told = said(PublishRequest, given)

    assert told.startswith(sentence)
    assert "s3cret" not in told


def test_the_allowed_values_are_listed_without_quotes() -> None:
    told = said(PublishRequest, {"volume_handle": "v", "node_id": "n", "access_mode": "X"})

    assert told.startswith("access_mode must be SINGLE_NODE_WRITER, SINGLE_NODE_READER_ONLY, ")


def test_several_faults_are_all_told() -> None:
    assert said(UnpublishRequest, {"volume_handle": "", "at_epoch": "one"}).count("; ") == 1


def test_the_rule_of_a_drivers_name_is_in_words() -> None:
    told = said(EvacuateRequest, {"driver": "FOO BAR", "node_id": "n"})

    assert told == "driver must have at most 63 letters, digits, dots and dashes, and begin and end with a letter or a digit"


def test_no_word_of_pydantics_is_left() -> None:
    told = said(VolumeRecord, {"mark": 1, "operation": None, "holders": [{"node_id": ""}]})

    assert "Input should" not in told.split("is invalid")[0]
    assert "holders.0.node_id must not be empty" in told
