"""The public names: those that a package's or module's `__all__` has, whatever file they live in."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator

import pytest

from mooring import models
from tests.harness.repository import ROOT

FILES = ("base", "faults", "operations", "steps", "volumes")
PUBLIC = {
    "mooring": """
        __version__
    """,
    "mooring.backend": """
        Backend NoBackend TakesSecrets load_backend
    """,
    "mooring.client": """
        MooringClient
    """,
    "mooring.errors": """
        AttachLimitReached BackendAlreadyExists BackendDataLoss BackendFailed BackendFailedPrecondition
        BackendInvalidArgument BackendNotFound BackendOutOfRange BackendPermissionDenied BackendRefused
        BackendResourceExhausted BackendUnauthenticated BackendUncertain BackendUnimplemented Contended Disputed
        DuplicateVolume HeldElsewhere Incompatible InvalidRequest KubernetesForbidden KubernetesRejected
        KubernetesUnavailable ListOutdated MalformedRecord MigrationAwaited MooringError NodeNotFound NotReconciled
        NothingToApprove OperationCancelled OperationPending OperationTerminated RecordAltered RecordTooLarge
        SecretsAwaited SecretsNeeded SecretsOutOfReach TABLE TemporalUnavailable UnreadableHistory UntranslatableVolume
        VolumeAwaited VolumeNotFound WorkerUnavailable from_failure
    """,
    "mooring.models": """
        AccessMode AccessType AdoptRequest Approval Attachment BackendCall CheckNodeInput Copy DEFAULT_DRIVER
        DRIVER_NAME DriverName FirstWrite MAP_BYTES Migrating MigrationResult Model NODE_ID_BYTES NodeId NodeVerdict ObserveInput
        ObserveResult OperationLimits Part PersistInput Precondition PublishRequest PublishResult ReadInput ReadResult
        RebuildResult Refusal RunRef Skip UnpersistedRun UnpublishRequest UnpublishResult VOLUME_HANDLE_BYTES VolumeHandle
        VolumeRecord VolumeRef VolumeStatus WarnInput Write WriteResult faults map_bytes
    """,
    "mooring.temporal": """
        connect
    """,
}
"""Module -> the names that users may import from it. One that goes breaks their programs."""


@pytest.mark.parametrize("module", PUBLIC)
def test_the_public_names_are_these_and_no_others(module: str) -> None:
    assert sorted(importlib.import_module(module).__all__) == PUBLIC[module].split()


@pytest.mark.parametrize("module", PUBLIC)
def test_each_public_name_is_there(module: str) -> None:
    face = importlib.import_module(module)

    assert [name for name in face.__all__ if not hasattr(face, name)] == []


def test_the_documents_and_the_first_docstring_name_every_public_module() -> None:
    for text in ((ROOT / "docs" / "api.md").read_text(), importlib.import_module("mooring").__doc__ or ""):
        assert set(re.findall(r"`(mooring\.[a-z]+)`", text)) == set(PUBLIC) - {"mooring"}


def test_users_are_shown_public_names_alone() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    block = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
    programs = [program for page in pages for program in block.findall(page.read_text())]
    shown = {name for program in programs for name in _imported(ast.parse(program))}

    assert shown
    assert shown <= {(module, name) for module, members in PUBLIC.items() for name in members.split()}


def _imported(program: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(program):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mooring"):
            yield from ((node.module or "", alias.name) for alias in node.names)
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.startswith("mooring"))


@pytest.mark.parametrize("file", FILES)
def test_the_face_of_the_models_shows_every_class_of_its_files(file: str) -> None:
    members = vars(importlib.import_module(f"mooring.models.{file}"))
    own = {name for name, member in members.items() if getattr(member, "__module__", "") == f"mooring.models.{file}"}

    assert {name for name in own if isinstance(members[name], type)} <= set(models.__all__)


def test_a_file_of_models_is_behind_the_face_or_named_by_its_subject() -> None:
    files = {each.name for each in pkgutil.iter_modules(models.__path__)}

    assert files - set(FILES) == {"adoption", "drift", "evacuation", "reconciliation", "times"}
