"""The activities that look for drift, and heal it, one drift at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio import activity

from activities.attempt import attempt
from mooring.errors import InvalidRequest
from mooring.models.drift import Drift, SurveyResult
from mooring.models.reconciliation import HealResult, ReconcileOptions, ReconcileRequest

if TYPE_CHECKING:
    from mooring.reconciliation.healer import Healer
    from mooring.reconciliation.survey import DriftSurvey


class ReconcileActivities:
    """The reconciliation of one driver, by this worker's index and settings."""

    def __init__(self, driver: str, survey: DriftSurvey, healer: Healer, options: ReconcileOptions) -> None:
        self._driver = driver
        self._survey = survey
        self._healer = healer
        self._options = options

    @activity.defn(name="begin_reconciliation")
    async def begin(self, asked: ReconcileRequest) -> ReconcileOptions:
        """Return the options that this worker sets."""
        async with attempt():
            if asked.driver != self._driver:
                raise InvalidRequest(f"A reconciliation of driver {asked.driver} reached workers that serve {self._driver}.")
            return self._options

    @activity.defn(name="survey_drift")
    async def survey(self) -> SurveyResult:
        """Survey the differences now."""
        async with attempt(patient=True):
            return await self._survey.look()

    @activity.defn(name="heal_drift")
    async def heal(self, drift: Drift) -> HealResult:
        """Heal one drift, or return the reason why not."""
        async with attempt(patient=True):
            return await self._healer.heal(drift)
