"""The settings of a worker: what is wrong with them is said in sentences that name the variable, its value and the rule."""

from __future__ import annotations

import pytest

from mooring.settings import InvalidSettings, Settings, misspelt, read_settings, unix_socket


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("MOORING_KUBERNETES", "foo", "MOORING_KUBERNETES is 'foo'; it must be auto or off."),
        ("MOORING_PAGE_SIZE", "abc", "MOORING_PAGE_SIZE is 'abc'; it must be a whole number."),
        (
            "MOORING_WORKER_DEPLOYMENT",
            "a.b",
            "MOORING_WORKER_DEPLOYMENT is 'a.b'; it must be letters, digits, - and _,",
        ),
        ("MOORING_WORKER_BUILD_ID", "a b", "MOORING_WORKER_BUILD_ID is 'a b'; it must be letters, digits"),
        ("MOORING_PAGE_SIZE", "0", "MOORING_PAGE_SIZE is '0'; it must be at least 1."),
        ("MOORING_ADOPT", "maybe", "MOORING_ADOPT is 'maybe'; it must be true or false."),
        ("MOORING_DRAIN_TIMEOUT", "-1", "MOORING_DRAIN_TIMEOUT is '-1'; it must be greater than 0."),
        ("MOORING_NODE_GONE", "100000", "MOORING_NODE_GONE is '100000'; it must be at most 86400."),
        ("MOORING_LOG_LEVEL", "loud", "MOORING_LOG_LEVEL is 'loud'; it must be DEBUG, INFO, WARNING or ERROR."),
        ("MOORING_HTTP_ADDRESS", "9440", "MOORING_HTTP_ADDRESS is '9440'; it must be host:port."),
        ("MOORING_HTTP_ADDRESS", "localhost:http", "MOORING_HTTP_ADDRESS is 'localhost:http'; it must be host:port."),
        ("MOORING_REQUEST_TIMEOUT", "60", "MOORING_REQUEST_TIMEOUT must be shorter than MOORING_ATTEMPT_TIMEOUT, or no attempt"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value_and_the_rule(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(InvalidSettings) as refused:
        read_settings()

    assert str(refused.value).startswith(sentence)


def test_all_wrong_settings_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORING_HEAL", "all")
    monkeypatch.setenv("MOORING_DRIVER", "FOO BAR")

    with pytest.raises(InvalidSettings, match=r"MOORING_DRIVER is 'FOO BAR'; it must have at most 63 .*\. MOORING_HEAL is 'all'"):
        read_settings()


@pytest.mark.parametrize("form", ["/csi/m.sock", "unix:/csi/m.sock", "unix:///csi/m.sock"])
def test_a_socket_is_named_by_its_path_or_in_either_form_of_a_uri(form: str) -> None:
    assert Settings(csi_endpoint=form).csi_endpoint == unix_socket(form) == "unix:///csi/m.sock"


@pytest.mark.parametrize("form", ["csi/m.sock", "unix://csi/m.sock", "tcp://127.0.0.1:1", "/", "/" + "x" * 107])
def test_anything_else_is_no_socket(form: str) -> None:
    with pytest.raises(InvalidSettings, match="must be the absolute path of a socket"):
        read_settings(csi_endpoint=form)


def test_a_misspelt_variable_is_told_with_its_right_name() -> None:
    assert misspelt(["MOORING_PAGESIZE", "MOORING_DRIVER", "PATH"]) == [
        "MOORING_PAGESIZE is not a setting and has no effect; did you mean MOORING_PAGE_SIZE?"
    ]


def test_the_variables_that_kubernetes_sets_for_a_service_are_no_settings() -> None:
    service = [
        "MOORING_SERVICE_HOST",
        "MOORING_SERVICE_PORT",
        "MOORING_PORT",
        "MOORING_PORT_9440_TCP",
        "MOORING_PORT_9440_TCP_ADDR",
    ]

    assert misspelt(service) == []
