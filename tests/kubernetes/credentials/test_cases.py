"""Every row of the table, with Mooring and, where there is one, with kubectl."""

from __future__ import annotations

import json
import re

import pytest

from mooring.errors import MooringError
from tests.kubernetes.credentials.cases import OK, TOKEN, Case
from tests.kubernetes.credentials.cluster_cases import CLUSTERS
from tests.kubernetes.credentials.file_cases import FILES
from tests.kubernetes.credentials.plugin_cases import PLUGINS
from tests.kubernetes.credentials.scene import Scene, shows
from tests.kubernetes.credentials.user_cases import CERTIFICATES, IMPERSONATION, TOKENS

CASES = [*TOKENS, *IMPERSONATION, *CERTIFICATES, *CLUSTERS, *PLUGINS, *FILES]
EVERY = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


@EVERY
async def test_mooring_takes_it_as_the_table_says(case: Case, scene: Scene) -> None:
    kubeconfig = case.write(scene)
    if case.seen is not None:
        assert await scene.mooring(kubeconfig) == case.seen
        return
    with pytest.raises(MooringError, match=case.error) as caught:
        await scene.mooring(kubeconfig)
    assert not shows(caught.value, TOKEN)


@EVERY
async def test_kubectl_takes_it_as_the_table_says(case: Case, scene: Scene, kubectl: str) -> None:
    code, printed = await scene.kubectl(kubectl, case.write(scene))
    expected = case.kubectl or (OK if case.seen is not None else case.error)
    if expected == OK:
        assert code == 0, printed
        assert json.loads(printed) == case.seen
    else:
        assert code, printed
        assert re.search(expected, printed), printed
