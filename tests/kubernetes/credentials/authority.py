"""Certificates for tests, made by the openssl program."""

from __future__ import annotations

import base64
import subprocess
from dataclasses import dataclass
from pathlib import Path

REQUEST = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its key, in PEM files."""

    certificate: Path
    key: Path

    def data(self) -> tuple[str, str]:
        """Return both in base64."""
        return encoded(self.certificate.read_bytes()), encoded(self.key.read_bytes())


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority that keeps its files in `folder`."""

    folder: Path

    @classmethod
    def create(cls, folder: Path) -> Authority:
        """Make a new one."""
        folder.mkdir()
        made = cls(folder)
        openssl(*REQUEST, "-subj", "/CN=authority", "-keyout", folder / "ca.key", "-out", made.certificate)
        return made

    @property
    def certificate(self) -> Path:
        """Its own certificate."""
        return self.folder / "ca.crt"

    def data(self) -> str:
        """Return its own certificate in base64."""
        return encoded(self.certificate.read_bytes())

    def issue(self, name: str, *, group: str = "", alternatives: str = "") -> Certificate:
        """Sign a certificate for a client, or with `alternatives` for a server."""
        made = Certificate(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        subject = f"/O={group}/CN={name}" if group else f"/CN={name}"
        names = ["-addext", f"subjectAltName={alternatives}"] if alternatives else []
        openssl(
            *(*REQUEST, "-subj", subject, "-addext", "basicConstraints=critical,CA:FALSE", *names),
            *("-CA", self.certificate, "-CAkey", self.folder / "ca.key", "-keyout", made.key, "-out", made.certificate),
        )
        return made


def encoded(content: bytes) -> str:
    """Return the content in base64."""
    return base64.b64encode(content).decode()


def openssl(*arguments: str | Path) -> None:
    """Run the openssl program."""
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
