"""The login in use, renewed while a program runs.

Contract: files are read again once a minute, and sooner after the server has refused the login (401); a plugin is asked again when
its credentials have expired or were refused. At most one attempt a second is made, which all requests that need it share. While a
login is good, it remains in use if it can't be renewed, with a warning.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mooring.kubernetes.credentials.errors import KubernetesNotConfigured, NoCredentials
from mooring.kubernetes.credentials.exec_plugin import IssuedCredentials, Plugin
from mooring.kubernetes.credentials.login import Login
from mooring.kubernetes.credentials.logins import Logins, Prepared

RELOAD: Final = 60.0
PAUSE: Final = 1.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Clock:
    """The time of day, by which credentials expire, and a clock that never goes back."""

    now: Callable[[], datetime]
    monotonic: Callable[[], float]


class Renewal:
    """The keeper of a current login."""

    def __init__(self, logins: Logins, environ: Mapping[str, str], clock: Clock) -> None:
        self._logins = logins
        self._environ = environ
        self._clock = clock
        self._login: Login | None = None
        self._given: tuple[Plugin, IssuedCredentials] | None = None
        self._refused = False
        self._failure = ""
        self._attempted = float("-inf")
        self._attempt: asyncio.Task[None] | None = None
        self.secrets: frozenset[str] = frozenset()
        """The secrets of the login in use and of the one before."""
        self.waits_for = ""
        """The plugin that has not answered yet."""

    async def login(self) -> Login:
        """Return the login to use.

        Raises:
            NoCredentials: there is none that is good, and it can't be renewed.

        """
        waited = self._clock.monotonic() - self._attempted
        if self._running() or waited >= (PAUSE if self._needed() else RELOAD):
            await self._renewed()
        if self._login is None or (self._failure and self._needed()):
            raise NoCredentials(self._failure)
        return self._login

    def refused(self, login: Login) -> None:
        """Note that the server answered 401 to this login."""
        self._refused = self._refused or login is self._login

    async def close(self) -> None:
        """End an attempt under way."""
        if self._attempt is not None:
            self._attempt.cancel()
            await asyncio.gather(self._attempt, return_exceptions=True)

    def _needed(self) -> bool:
        return self._login is None or self._refused or self._is_past(self._login.expires)

    def _is_past(self, expires: datetime | None) -> bool:
        return expires is not None and self._clock.now() >= expires

    def _running(self) -> bool:
        return self._attempt is not None and not self._attempt.done()

    async def _renewed(self) -> None:
        """Wait for an attempt that outlives its callers."""
        if self._attempt is None or self._attempt.done():
            self._attempted = self._clock.monotonic()
            self._attempt = asyncio.create_task(self._try())
        await asyncio.shield(self._attempt)

    async def _try(self) -> None:
        try:
            login = await self._completed(self._logins.prepare())
        except (KubernetesNotConfigured, NoCredentials) as error:
            self._fail(str(error).removesuffix(KubernetesNotConfigured.advice).rstrip(" ."))
            return
        self.secrets = frozenset(each for known in (self._login, login) if known for each in known.secrets if len(each) > 3)
        self._login, self._refused, self._failure = login, False, ""

    def _fail(self, why: str) -> None:
        if why != self._failure:
            kept = "" if self._needed() else "; those in use are kept"
            logger.warning("The credentials for Kubernetes can't be renewed: %s%s.", why, kept)
        self._failure = why

    async def _completed(self, prepared: Prepared) -> Login:
        plugin = prepared.plugin
        if plugin is None:
            return prepared.login
        if self._given is None or self._given[0] != plugin or self._refused or self._is_past(self._given[1].expiration_timestamp):
            self._given = plugin, await self._asked(plugin)
        login = prepared.completed(self._given[1])
        try:
            login.endpoint.tls.context()
        except (ssl.SSLError, ValueError):
            raise NoCredentials(f"the credential plugin {plugin.command} gave a damaged certificate or key") from None
        return login

    async def _asked(self, plugin: Plugin) -> IssuedCredentials:
        self.waits_for = plugin.command
        try:
            return await plugin.run(self._environ)
        finally:
            self.waits_for = ""
