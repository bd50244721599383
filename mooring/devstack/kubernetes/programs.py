"""The programs that kube/build.sh builds, in the folder that KUBEBUILDER_ASSETS names.

NB: a folder made for envtest has etcd and kube-apiserver alone, which is enough for an API server but for nothing else.
"""

import os
from pathlib import Path

from mooring.devstack.process import StackError


def program(assets: Path, name: str) -> Path:
    """Return the path of a program.

    Raises:
        StackError: the folder doesn't have it.

    """
    path = assets / name
    if not os.access(path, os.X_OK):
        raise StackError(f"KUBEBUILDER_ASSETS={assets} has no {name}: unset it and take the folder that `make kube` builds.")
    return path
