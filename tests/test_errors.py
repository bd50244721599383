"""The table of errors is whole."""

from __future__ import annotations

import pytest
from grpc import StatusCode

from mooring.errors import TABLE, HeldElsewhere, MooringError, from_failure


@pytest.mark.parametrize("error", TABLE.values())
def test_every_error_has_a_code_and_says_what_to_do(error: type[MooringError]) -> None:
    assert error.grpc_code in StatusCode.__members__
    assert error.advice != MooringError.advice
    assert error.advice.endswith(".")
    assert str(error("It broke.")) == f"It broke. {error.advice}"


@pytest.mark.parametrize("error", TABLE.values())
def test_an_error_survives_its_travel_as_a_failure(error: type[MooringError]) -> None:
    sent = error("It broke.")
    come = from_failure(sent.type_name(), str(sent))
    assert (type(come), str(come)) == (error, str(sent))


def test_an_unknown_failure_is_a_plain_error() -> None:
    assert type(from_failure("Surprise", "It broke.")) is MooringError
    assert type(from_failure(None, "It broke.")) is MooringError


def test_the_failure_type_is_the_name_of_the_class() -> None:
    assert HeldElsewhere.type_name() == "HeldElsewhere"
