"""The proxy for a URL, by the usual environment variables: HTTPS_PROXY, HTTP_PROXY, NO_PROXY, in either case.

The rules are those of Go's net/http, so that Mooring and kubectl agree: loopback is never proxied; NO_PROXY lists host names (with
their subdomains), addresses, networks (10.0.0.0/8), each with or without a port, or `*`.

Not kept here: any connection. The environment is passed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult, urlsplit


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """Return the proxy's URL, or None if the connection is direct. NB: it may hold a password."""
    target = urlsplit(url)
    host = target.hostname or ""
    proxy = _variable(environ, f"{target.scheme}_proxy")
    exceptions = [entry.strip() for entry in _variable(environ, "no_proxy").split(",")]
    if not proxy or _is_loopback(host) or any(_covers(entry, target) for entry in exceptions if entry):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _variable(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name.upper()) or environ.get(name) or ""


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _covers(entry: str, target: SplitResult) -> bool:
    if entry == "*":
        return True
    host = target.hostname or ""
    try:
        return ip_address(host) in ip_network(entry, strict=False)
    except ValueError:
        pass  # one of the two is a name
    name, _, port = entry.rpartition(":") if entry.rpartition(":")[2].isdigit() else (entry, "", "")
    if port and int(port) != (target.port or {"https": 443}.get(target.scheme, 80)):
        return False
    suffix = name.lower().strip("*").strip("[]").lstrip(".")
    return host == suffix or host.endswith(f".{suffix}")
