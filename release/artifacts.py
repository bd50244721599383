"""The files of a release: wheel, chart, SBOM, image, notes, checksums and, with a key, their signature.

Contract: the checksums are of every file but themselves and their signature. Whoever trusts the key's public half checks both with

    openssl dgst -sha256 -verify KEY.pub -signature SHA256SUMS.sig SHA256SUMS && sha256sum --check SHA256SUMS
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from release.version import notes

SUMS: Final = "SHA256SUMS"


def build(root: Path, folder: Path, version: str, helm: Path, key: Path | None) -> Iterator[str]:
    """Build all that can be built here into an empty folder; yield what was, and what was not, made."""
    folder.mkdir(parents=True)
    run(root, sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder)
    yield "the wheel"
    run(root, helm, "package", "deploy/chart", "--destination", folder)
    yield "the chart"
    sbom = folder / f"mooring-{version}.cdx.json"
    run(root, sys.executable, "-m", "cyclonedx_py", "requirements", "requirements-worker.lock", "--of", "JSON", "-o", sbom)
    yield "the image's SBOM"
    yield _image(root, folder / f"mooring-{version}-image.tar", version)
    (folder / "NOTES.md").write_text(notes(root, version))
    (folder / SUMS).write_text("".join(sums(folder)))
    yield "notes and checksums"
    yield _sign(folder, key)


def sums(folder: Path) -> Iterator[str]:
    """Yield the lines of the checksums, as sha256sum reads them."""
    for path in sorted(folder.iterdir()):
        if not path.name.startswith(SUMS):
            yield f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"


def _image(root: Path, file: Path, version: str) -> str:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "info"], capture_output=True, check=False).returncode:
        return "no image: no Docker engine answers here; build it with `docker buildx build --platform linux/amd64,linux/arm64`"
    revision = run(root, "git", "rev-parse", "HEAD").strip()
    run(root, docker, "build", "--build-arg", f"REVISION={revision}", "--tag", f"mooring:{version}", ".")
    run(root, docker, "save", "--output", file, f"mooring:{version}")
    return "the image, for this machine's kind of processor"


def _sign(folder: Path, key: Path | None) -> str:
    if key is None:
        return "no signature: no key was named"
    run(folder, "openssl", "dgst", "-sha256", "-sign", key.resolve(), "-out", f"{SUMS}.sig", SUMS)
    return "the signature"


def run(cwd: Path, *command: str | Path) -> str:
    """Return the output of a command, which must succeed; what it says otherwise is shown."""
    return subprocess.run(list(map(str, command)), cwd=cwd, check=True, stdout=subprocess.PIPE, text=True).stdout
