"""`python -m release VERSION [--key FILE]`: move the version, commit that with its sources, and build what is released.

All that is built is in dist/VERSION/.

Not kept here: the publishing. This needs no registry, and no credentials but the key's.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from release.artifacts import build, run
from release.sources import KEPT, keep
from release.version import NotReleased, move

NEXT = """
Run .ci/run. If it passes:

  git tag --sign v{version} && git push --follow-tags

and upload what is in {folder} to where users look for it. If it doesn't: git reset --hard HEAD~1 && rm -r {folder}
"""


def main() -> int:
    """Make a release of the checkout in the working directory; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m release", description="Make a release of the checkout in the working directory."
    )
    parser.add_argument("version", help="the new version, above the present one")
    parser.add_argument("--key", type=Path, help="a private key (PEM) that signs the checksums")
    asked = parser.parse_args()
    root, folder = Path.cwd(), Path.cwd() / "dist" / asked.version
    try:
        helm = _helm(root)
        _check(root, folder, asked.key)
        move(root, asked.version, f"{datetime.now(UTC):%Y-%m-%d}")
        run(root, "git", "add", keep(root, asked.version, root / KEPT))
        run(root, "git", "commit", "--quiet", "--all", "--message", f"Release {asked.version}")
        for made in build(root, folder, asked.version, helm, asked.key):
            sys.stdout.write(f"{made}\n")
    except (NotReleased, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    sys.stdout.write(NEXT.format(version=asked.version, folder=folder.relative_to(root)))
    return 0


def _helm(root: Path) -> Path:
    return Path(os.environ.get("HELM") or run(root, "bash", "helm/build.sh").strip())


def _check(root: Path, folder: Path, key: Path | None) -> None:
    """Raise NotReleased where the release would stop half-way."""
    if changed := run(root, "git", "status", "--porcelain"):
        raise NotReleased(f"There are changes that are not committed:\n{changed}Commit or drop them first.")
    if folder.exists():
        raise NotReleased(f"{folder.relative_to(root)} is there already: remove it, or name another version.")
    if key is not None and not (key.is_file() and shutil.which("openssl")):
        raise NotReleased(f"{key} can't sign: it is no file, or the program `openssl` is missing.")


if __name__ == "__main__":
    sys.exit(main())
