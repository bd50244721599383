"""Faults of one line each, planted in a campaign's workers: a campaign is worth what it finds of them.

NB: workflow code runs in the SDK's sandbox here, which loads it again: what is patched is what activities call.
"""

from __future__ import annotations

from typing import Final

import pytest

from mooring.csi.driver import ListingBackend
from mooring.models import BackendCall
from tests.simulation.campaign import bugs
from tests.simulation.campaign.bugs import Bug


def a_detach_is_not_passed_on(patch: pytest.MonkeyPatch) -> None:
    """Report a volume as detached without a word to the driver."""

    async def forget(_: ListingBackend, __: BackendCall) -> None:
        return

    patch.setattr(ListingBackend, "unpublish", forget)


BUGS: Final[dict[str, Bug]] = {
    bug.__name__: bug for bug in [a_detach_is_not_passed_on, bugs.a_detach_bears_the_token_of_the_attach, bugs.nothing_is_tested]
}
