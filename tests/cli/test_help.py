"""`mooring --help`, and what needs no server."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from mooring import __version__
from mooring.cli.exit_codes import MEANING, ExitCode, exit_code
from mooring.cli.main import app
from mooring.errors import TABLE
from mooring.models import DEFAULT_DRIVER
from tests.cli.conftest import REPOSITORY

COMMANDS = [
    "worker",
    "publish",
    "unpublish",
    "get",
    "list",
    "history",
    "rebuild",
    "adopt",
    "drift",
    "approve",
    "check",
    "bundle",
    "explain",
    "evacuate",
    "completion",
    "up",
    "demo",
]
COSTLY = {"temporalio", "kubernetes", "aiohttp", "rich", "yaml"}

EXPECTED = {
    "InvalidRequest": ExitCode.USAGE,
    "HeldElsewhere": ExitCode.REFUSED,
    "Incompatible": ExitCode.REFUSED,
    "Disputed": ExitCode.REFUSED,
    "VolumeNotFound": ExitCode.NOT_FOUND,
    "OperationPending": ExitCode.PENDING,
    "TemporalUnavailable": ExitCode.UNAVAILABLE,
    "WorkerUnavailable": ExitCode.UNAVAILABLE,
    "KubernetesUnavailable": ExitCode.UNAVAILABLE,
    "KubernetesForbidden": ExitCode.FAILED,
    "OperationCancelled": ExitCode.FAILED,
    "MalformedRecord": ExitCode.FAILED,
}


def help_of(*command: str) -> str:
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0
    return result.stdout


@pytest.mark.parametrize("command", [[], *([command] for command in COMMANDS)])
def test_help_imports_nothing_that_costs(command: list[str]) -> None:
    costly = COSTLY if command else COSTLY | {"pydantic", "asyncio"}  # which the parameters of a command need
    code = f"""
import sys
from mooring.cli.main import app
try:
    app({[*command, "--help"]!r})
except SystemExit as ended:
    assert ended.code == 0
print({{name.split(".")[0] for name in sys.modules}} & {costly!r}, file=sys.stderr)
"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=30)
    assert ran.stderr.strip() == "set()"


def test_help_lists_every_command() -> None:
    assert [command for command in COMMANDS if f"\n  {command} " not in help_of()] == []


@pytest.mark.parametrize("command", [[], *([command] for command in COMMANDS)])
def test_help_names_what_an_option_takes_and_no_type_of_python(command: list[str]) -> None:
    options = [line for line in help_of(*command).splitlines() if line.startswith("  -")]

    assert [line for line in options if re.search("<(str|int|float|path)|-completion", line)] == []


@pytest.mark.parametrize(
    ("command", "usage"), [("publish", "VOLUME NODE"), ("unpublish", "VOLUME [NODE]"), ("approve", "RUN"), ("list", "")]
)
def test_usage_has_arguments_as_they_are_typed(command: str, usage: str) -> None:
    assert help_of(command).splitlines()[0].rstrip() == f"Usage: mooring {command} [OPTIONS] {usage}".rstrip()


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_bounds_and_arguments_in_words(command: str) -> None:
    assert re.search("<str>|<=|>=", help_of(command)) is None


def test_the_list_of_commands_cuts_no_description() -> None:
    assert "..." not in help_of().partition("Commands:")[2].partition("Exit codes:")[0]


def test_help_lists_every_exit_code() -> None:
    assert [code for code in ExitCode if f"{code}  {MEANING[code]}" not in help_of()] == []


def test_help_names_the_default_driver() -> None:
    assert DEFAULT_DRIVER in help_of()


@pytest.mark.parametrize(("failure_type", "code"), EXPECTED.items())
def test_an_error_has_its_exit_code(failure_type: str, code: ExitCode) -> None:
    assert exit_code(TABLE[failure_type]("Something happened.")) is code


def test_the_module_is_the_command() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "mooring", "--version"], cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=30
    )
    assert ran.stdout == f"mooring {__version__}\n"


def test_an_unknown_command_is_a_usage_error_on_standard_error() -> None:
    result = CliRunner().invoke(app, ["attach"])
    assert (result.exit_code, result.stdout) == (ExitCode.USAGE, "")
    assert "attach" in result.stderr


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("get vol -o xml", "Invalid value for '-o' / '--output': 'xml' is not one of 'table'"),
        ("history vol --limit 0", "Invalid value for '--limit': must be at least 1"),
        ("history vol --limit some", "Invalid value for '--limit': must be a whole number"),
        ("unpublish vol", "give either NODE or --all-nodes."),
    ],
)
def test_a_value_that_an_option_does_not_take_is_refused_by_its_rule(line: str, told: str) -> None:
    result = CliRunner().invoke(app, line.split())

    assert (result.exit_code, told in result.stderr) == (ExitCode.USAGE, True)
