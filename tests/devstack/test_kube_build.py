"""The build of the real Kubernetes is asked for by one script that prints a folder."""

import os
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "kube" / "build.sh"


def test_binaries_that_are_already_there_are_taken_as_they_are(tmp_path: Path) -> None:
    environment = {**os.environ, "KUBEBUILDER_ASSETS": str(tmp_path)}
    printed = subprocess.run([SCRIPT], env=environment, check=True, capture_output=True, text=True, timeout=10)
    assert printed.stdout == f"{tmp_path}\n"
    assert printed.stderr == ""
