"""The reasons of failed calls to Temporal, in words. The SDK gives those of the libraries below it, in their notation."""

from __future__ import annotations

import re
import shlex
from typing import Final

_NO_NAMESPACE: Final = re.compile(r"Namespace (\S+) (?:is|was) not found")
_NOT_GRPC: Final = re.compile(r"hyper::Error\(Http2.*, Library\)|InvalidContentType")
_CLOSED: Final = re.compile(
    r"hyper::Error\(Canceled|hyper::Error\(Http2.*, Remote\)|broken ?pipe|connection ?(reset|aborted)|UnexpectedEof", re.IGNORECASE
)
_CERTIFICATE: Final = re.compile(r"InvalidCertificate\((\w+)")
_NO_ADDRESS: Final = re.compile(r"lookup address information")
_NOT_TOML: Final = re.compile(r"TOML parse error at (line \d+, column \d+)")
"""NB: the rest of that error shows the line itself, which may hold an API key."""
_QUOTED: Final = re.compile(r'(?:message|error): "([^"]+)"')


def in_words(error: BaseException) -> str:
    """Return the reason of the error, without a period at its end."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror[:1].lower()}{error.strerror[1:]}"
    text = str(error).strip().rstrip(".")
    if missing := _NO_NAMESPACE.match(text):
        name = missing[1]
        return f"there is no namespace {name}; name another one with TEMPORAL_NAMESPACE, or create it: `{create_namespace(name)}`"
    if place := _NOT_TOML.search(text):
        return f"the file is not valid TOML ({place[1]})"
    if _NO_ADDRESS.search(text):
        return "no address is known for this host name"
    if certificate := _CERTIFICATE.search(text):
        return f"its certificate is not accepted ({certificate[1]})"
    if _NOT_GRPC.search(text):
        return "the server there speaks another protocol; give the port of the frontend, not of the UI, and check TLS"
    if _CLOSED.search(text):
        return "the server there closed the connection; check that this is the port of the frontend, not of the UI, and TLS"
    quoted = _QUOTED.findall(text)
    return f"{quoted[-1][:1].lower()}{quoted[-1][1:]}" if quoted else text


def create_namespace(name: str) -> str:
    """Return the command that creates a namespace."""
    return f"temporal operator namespace create --namespace {shlex.quote(name)} --retention 168h"
