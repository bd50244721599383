"""The choice of a proxy for an API server."""

from __future__ import annotations

import pytest

from mooring.kubernetes.proxies import proxy_for

PROXY = "http://proxy.example.com:3128"
SERVER = "https://10.96.0.1:6443"


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
def test_a_proxy_is_taken_from_the_environment(name: str) -> None:
    assert proxy_for(SERVER, {name: PROXY}) == PROXY


def test_a_proxy_without_a_scheme_is_http() -> None:
    assert proxy_for(SERVER, {"HTTPS_PROXY": "proxy.example.com:3128"}) == PROXY


def test_a_proxy_for_http_is_not_one_for_https() -> None:
    assert proxy_for(SERVER, {"HTTP_PROXY": PROXY}) is None


@pytest.mark.parametrize("url", ["https://127.0.0.1:6443", "https://localhost:6443", "https://[::1]:6443"])
def test_loopback_is_never_proxied(url: str) -> None:
    assert proxy_for(url, {"HTTPS_PROXY": PROXY}) is None


@pytest.mark.parametrize(
    "exception", ["*", "10.96.0.1", "10.0.0.0/8", "example.com, 10.96.0.1:6443", "192.168.0.0/16,10.96.0.0/12"]
)
def test_no_proxy_covers_addresses_and_networks(exception: str) -> None:
    assert proxy_for(SERVER, {"HTTPS_PROXY": PROXY, "NO_PROXY": exception}) is None


@pytest.mark.parametrize("exception", ["example.com", ".example.com", "*.example.com", "api.example.com", "api.example.com:443"])
def test_no_proxy_covers_names_and_their_subdomains(exception: str) -> None:
    assert proxy_for("https://api.example.com", {"https_proxy": PROXY, "no_proxy": exception}) is None


@pytest.mark.parametrize("exception", ["", "ample.com", "other.example.com", "api.example.com:6443", "10.0.0.0/8"])
def test_no_proxy_covers_nothing_else(exception: str) -> None:
    assert proxy_for("https://api.example.com", {"HTTPS_PROXY": PROXY, "NO_PROXY": exception}) == PROXY
