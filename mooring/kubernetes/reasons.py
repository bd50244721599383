"""The reasons of failed connections to the API server, in words. The HTTP library has them in its notation."""

from __future__ import annotations

import os

import aiohttp


def in_words(error: BaseException) -> str:
    """Return the reason of the error, without a period at its end."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"the certificate of {error.host}:{error.port} is not accepted: {_certificate(error.certificate_error)}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"no address is known for {error.host}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"{error.host}:{error.port}: {_system(error.os_error)}"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the server closed it"
    return f"{type(error).__name__}: {error}"


def _certificate(error: Exception) -> str:
    return str(getattr(error, "verify_message", "") or error)


def _system(error: OSError) -> str:
    """Return the system's words. NB: asyncio puts its own into strerror, and an error of TLS has no errno of the system."""
    told = os.strerror(error.errno) if error.errno and type(error) is not OSError and not hasattr(error, "reason") else str(error)
    return f"{told[:1].lower()}{told[1:]}"
