"""Without the extra's packages the stack's error names the extra to install."""

import subprocess
import sys

WITHOUT = "import sys; sys.modules['jsonpatch'] = None; import mooring.devstack"


def test_a_missing_package_is_told_with_what_to_install() -> None:
    ended = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=30, check=False)
    assert "pip install 'mooring-csi[devstack]'" in ended.stderr.splitlines()[-1]
