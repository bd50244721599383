"""The imports of users: by the faces of packages, whatever file a name lives in."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

from mooring import models

FILES = ("base", "operations", "steps", "volumes")
PROMISED = [
    "mooring.backend.Backend",
    "mooring.client.MooringClient",
    "mooring.errors.MooringError",
    "mooring.models.PublishRequest",
    "mooring.temporal.connect",
]


@pytest.mark.parametrize("name", PROMISED)
def test_what_the_readme_and_the_examples_import_is_there(name: str) -> None:
    module, _, member = name.rpartition(".")

    assert hasattr(importlib.import_module(module), member)


@pytest.mark.parametrize("file", FILES)
def test_the_face_of_the_models_shows_every_class_of_its_files(file: str) -> None:
    members = vars(importlib.import_module(f"mooring.models.{file}"))
    own = {name for name, member in members.items() if getattr(member, "__module__", "") == f"mooring.models.{file}"}

    assert {name for name in own if isinstance(members[name], type)} <= set(models.__all__)


def test_a_file_of_models_is_behind_the_face_or_named_by_its_subject() -> None:
    files = {each.name for each in pkgutil.iter_modules(models.__path__)}

    assert files - set(FILES) == {"adoption", "evacuation", "reconciliation", "times"}
