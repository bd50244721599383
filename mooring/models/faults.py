"""The faults of a model's input, in sentences.

Contract: each names the field and the rule in Mooring's words, not pydantic's, and never shows the input, which may carry secrets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_A_TIME: Final = "must be a time as 2026-01-31T04:00:00Z"
_AN_OBJECT: Final = "must be an object"
_RULES: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "extra_forbidden": "is unknown",
    "invalid_key": "is no name of a field",
    "value_error": "{error}",
    "json_invalid": "is not valid JSON",
    "model_type": _AN_OBJECT,
    "dict_type": _AN_OBJECT,
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "string_type": "must be a string",
    "string_unicode": "must be valid Unicode",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "has too many digits",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "datetime_type": _A_TIME,
    "datetime_parsing": _A_TIME,
    "datetime_from_date_parsing": _A_TIME,
    "datetime_object_invalid": _A_TIME,
    "timezone_aware": "must have a time zone, as 2026-01-31T04:00:00Z",
}
"""pydantic's type of error -> the rule that the input broke. NB: a string that is too short is empty, as no rule asks for more."""


def faults(error: ValidationError, whole: str = "") -> str:
    """List the faults of a model's input, without the input; `whole` names the model if it is wrong as a whole."""
    return "; ".join(_fault(each, whole) for each in error.errors())


def rule(fault: ErrorDetails) -> str:
    """Return the rule that a fault breaks, as the predicate of a sentence about the field."""
    text = _RULES.get(fault["type"])
    if text is None:
        return f"is invalid: {fault['msg']}"
    context = fault.get("ctx", {})
    return text.format(**context | {"expected": context.get("expected", "").replace("'", "")})


def _fault(fault: ErrorDetails, whole: str) -> str:
    name = ".".join(map(str, fault["loc"])) or whole
    return f"{name} {rule(fault)}".lstrip()
