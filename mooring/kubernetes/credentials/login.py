"""Everything that a request to an API server needs: the address, the trusted CA, and the credentials.

Invariant: the repr of these shows no secret, so that no log and no traceback does.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory


@dataclass(frozen=True, slots=True)
class Tls:
    """The CAs that a connection trusts, and the certificate that it presents; all in PEM."""

    authorities: bytes = b""
    """Empty: the system's."""
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    verify: bool = True
    server_name: str = ""

    def context(self) -> ssl.SSLContext:
        """Make the TLS context of a connection.

        Raises:
            ssl.SSLError: a certificate or key can't be used.

        """
        context = ssl.create_default_context(cadata=self.authorities.decode("ascii", "replace") or None)
        # NB: as Go does: any certificate given is an anchor, and extensions that RFC 5280 asks for may be missing.
        context.verify_flags = context.verify_flags & ~ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate:
            _present(context, self.certificate, self.key)
        return context


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An API server, and the way to it. Requests to equal endpoints may share connections."""

    url: str
    tls: Tls = field(default_factory=Tls)
    proxy: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Login:
    """An endpoint, and the headers with the credentials, until `expires`.

    `anonymous` says why a request bears no credentials; `secrets` are the texts that no message may show.
    """

    endpoint: Endpoint
    headers: Sequence[tuple[str, str]] = field(default=(), repr=False)
    secrets: Sequence[str] = field(default=(), repr=False)
    expires: datetime | None = None
    anonymous: str = ""


def _present(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    # NB: OpenSSL reads files only; these are the owner's alone, and gone at once. Without a password it would ask the terminal.
    with TemporaryDirectory(prefix="mooring-") as folder:
        certificate_file, key_file = Path(folder, "certificate"), Path(folder, "key")
        certificate_file.write_bytes(certificate)
        key_file.touch(mode=0o600)
        key_file.write_bytes(key)
        context.load_cert_chain(certificate_file, key_file, password="")
