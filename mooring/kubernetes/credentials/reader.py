"""Values that a kubeconfig holds itself, in base64, or keeps in files beside it."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path

from mooring.kubernetes.credentials.errors import KubernetesNotConfigured


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader of the values of one definition in the kubeconfig `source`; relative paths belong to `folder`."""

    source: str
    folder: Path

    def pem(self, field: str, file: str, data: str) -> bytes:
        """Return the field's value: the data, or else the file's content, or nothing if neither is set.

        Raises:
            KubernetesNotConfigured: it can't be read or is no PEM.

        """
        found = self._decoded(f"{field}-data", data) if data else self.file(field, file)
        if (file or data) and b"-----BEGIN " not in found:
            where = f"{field}-data" if data else f"{field} {self.folder / file}"
            raise self.wrong(f"its {where} is not in PEM")
        return found

    def file(self, field: str, file: str) -> bytes:
        """Return the content of the file that the field names."""
        try:
            return (self.folder / file).read_bytes() if file else b""
        except OSError as error:
            why = (error.strerror or type(error).__name__).lower()
            raise self.wrong(f"its {field} {self.folder / file} can't be read, {why}") from None

    def wrong(self, why: str) -> KubernetesNotConfigured:
        """Return the error that says what is wrong with the kubeconfig."""
        return KubernetesNotConfigured(f"The kubeconfig {self.source} can't be used: {why}.")

    def _decoded(self, field: str, data: str) -> bytes:
        try:
            return base64.b64decode("".join(data.split()), validate=True)
        except (binascii.Error, ValueError):
            raise self.wrong(f"its {field} is not in base64") from None
