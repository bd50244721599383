"""The sentences about a malformed input: Mooring's words for the rule, and never the input."""

from __future__ import annotations

import importlib
import json
import math
import pkgutil
from collections.abc import Iterator
from functools import partial
from operator import attrgetter
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from mooring import models
from mooring.models import Approval, Attachment, Model, PublishRequest, UnpublishRequest, faults
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
        ([], "payload must be an object"),
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


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"volume_context": [1]}, "volume_context must be an object"),
        ({"access_type": "block"}, "access_type must be an object"),
        ({"volume_context": {"a": 1}}, "volume_context.a must be a string"),
    ],
)
def test_the_kind_of_a_value_is_named_in_the_words_of_json(given: Any, sentence: str) -> None:
    assert said(PublishRequest, {"volume_handle": "v", "node_id": "n", **given}) == sentence


def test_a_time_is_asked_for_with_an_example() -> None:
    told = said(Attachment, {"node_id": "n", "attached_at": "yesterday"})

    assert told == "attached_at must be a time as 2026-01-31T04:00:00Z"
    assert said(Attachment, {"node_id": "n", "attached_at": "2026-01-31T04:00:00"}) == (
        "attached_at must have a time zone, as 2026-01-31T04:00:00Z"
    )


def test_the_length_that_a_text_may_have_is_named() -> None:
    assert said(Approval, {"by": "b" * 201, "reason": "r"}) == "by must have at most 200 characters"


def every(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield the models that derive from this one and travel."""
    for each in model.__subclasses__():
        yield from every(each)
        if each.__module__.startswith(f"{models.__name__}."):
            yield each


for _module in pkgutil.iter_modules(models.__path__):
    importlib.import_module(f"{models.__name__}.{_module.name}")

ODD: tuple[Any, ...] = (
    *(
        None,
        True,
        7,
        -7,
        10**30,
        1.5,
        math.inf,
        math.nan,
        b"x",
        "",
        "odd",
        "9" * 5000,
        "\ud800",
        "2026-13-01",
        "2026-01-01T00:00:00",
    ),
    *([], [1], [[1]], [{}], {}, {"a": 1}, {"a": {"b": [1]}}, {1: 2}),
)
"""Values of every kind, of which each field's type refuses some."""


@pytest.mark.parametrize("model", sorted(set(every(Model)), key=attrgetter("__qualname__")))
def test_no_word_of_pydantics_is_left(model: type[BaseModel]) -> None:
    inputs = [*ODD, *({name: value} for name in model.model_fields for value in ODD)]

    assert {told for each in inputs for told in sentences(model, each) if "is invalid" in told} == set()


def sentences(model: type[BaseModel], given: Any) -> list[str]:
    """Return the sentences about the input as Python's and as JSON, none if the model takes it."""
    told: list[str] = []
    for check in (partial(model.model_validate, given), partial(model.model_validate_json, json.dumps(given, default=repr))):
        try:
            check()
        except ValidationError as refused:
            told += faults(refused, "payload").split("; ")
    return told
