"""Requests to one Kubernetes API server, raw: bytes out, bytes or lines in, and every outcome an error of ours.

Contract: a request is bounded by one timeout, the short retries inside it included; one that is answered with 409 or 429 is retried
within it, as Retry-After says. Every other outcome is an answer or an error, and errors differ by whether a retry can help.

Invariant: no error shows a header, a body that is no `Status`, or a credential, and none has a cause that does.

Not kept here: the requests themselves (mooring/cluster/persistent_volumes.py), the server's address (connection.py), and
credentials (credentials/).
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
import msgspec

from mooring import __version__
from mooring.errors import KubernetesForbidden, KubernetesRejected, KubernetesUnavailable, MooringError
from mooring.kubernetes import kube_pb2, protobuf
from mooring.kubernetes.credentials.connections import Response, Sender, Senders
from mooring.kubernetes.credentials.errors import NoCredentials
from mooring.kubernetes.reasons import in_words
from mooring.process.backoff import pauses

JSON_PATCH: Final = "application/json-patch+json"
BUSY: Final = (409, 429)
GZIP: Final = 31
"""The `wbits` by which zlib expects a gzip header, with the longest window."""
FIRST_PAUSE: Final = 0.02
LONGEST_PAUSE: Final = 1.0


class NotFound(Exception):
    """404: there is no such object."""


class Gone(Exception):
    """410: the requested history is gone; list again."""


class Refused(Exception):
    """422: the patch can't be applied, or a `test` in it failed; the server doesn't say which."""


INTERNAL: Final[dict[int, type[Exception]]] = {404: NotFound, 410: Gone, 422: Refused}


class Status(msgspec.Struct):
    """The `Status` that a refusal's body holds."""

    kind: str = ""
    message: str = ""
    reason: str = ""
    code: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `what` names it to people: "patch PersistentVolume pvc-7".

    `compact` asks for an answer in protobuf, compressed, from a server that knows how; the body says whether it did (protobuf.py).
    """

    what: str
    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    body: Any = None
    compact: bool = False

    def headers(self) -> dict[str, str]:
        """Return the headers that describe the body sent and the answer wanted."""
        content = {"Content-Type": JSON_PATCH} if self.method == "PATCH" else {}
        # NB: aiohttp asks for gzip unless told otherwise.
        accept, encoding = (protobuf.ACCEPT, "gzip") if self.compact else ("application/json", "identity")
        return {"Accept": accept, "Accept-Encoding": encoding, "User-Agent": f"mooring/{__version__}", **content}

    def target(self) -> str:
        """Return the path and query of the URL."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path


class KubernetesApi:
    """One API server. `timeout` is in seconds and bounds one request, its retries included."""

    def __init__(self, connections: Senders, timeout: float) -> None:
        self._connections = connections
        self._timeout = timeout

    async def request(self, request: Request) -> bytes:
        """Send the request and return the body of a success.

        Raises:
            NotFound, Gone, Refused: see there.
            KubernetesForbidden: 403.
            KubernetesRejected: another answer that a retry won't change.
            KubernetesUnavailable: no answer in time, or one that says "not now". A write may have been applied.

        """
        with self._mapped(request):
            async with asyncio.timeout(self._timeout) as bound, self._connections.use() as connection:
                for pause in pauses(FIRST_PAUSE, LONGEST_PAUSE):
                    response = await _send(connection, request, aiohttp.ClientTimeout())
                    body = await _body(response)
                    wait = max(pause, _retry_after(response))
                    if response.status not in BUSY or not _fits(wait, bound):
                        break
                    await asyncio.sleep(wait)
        if response.ok:
            return body
        raise self._refusal(request, connection, response.status, body)

    @asynccontextmanager
    async def lines(self, request: Request, *, silence: float, total: float) -> AsyncIterator[AsyncIterator[bytes]]:
        """Request a stream of lines. It is unavailable after `silence` seconds without a byte, or `total` in all.

        Raises:
            Everything that `request` raises, on entering and while lines are read.

        """
        bounds = aiohttp.ClientTimeout(total=total, sock_connect=self._timeout, sock_read=silence)
        with self._mapped(request):
            async with self._connections.use() as connection:
                response = await _send(connection, request, bounds)
                try:
                    if not response.ok:
                        raise self._refusal(request, connection, response.status, await _body(response))
                    yield aiter(response.content)
                finally:
                    response.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._connections.close()

    def error(self, request: Request, status: Status) -> Exception:
        """Return the error for a `Status` in a stream."""
        told = self._hide(f"{status.code} {status.reason}: {status.message}")
        return _error(status.code, f"Could not {request.what}: the API server answered {told}.")

    def _refusal(self, request: Request, connection: Sender, code: int, body: bytes) -> Exception:
        if code == 401:
            self._connections.renewal.refused(connection.login)
        try:
            status = _status(body)
        except (msgspec.DecodeError, KubernetesUnavailable):
            status = Status()
        # NB: a body that isn't a Status comes from something in between, which may repeat what it was sent, credentials included.
        told = status if status.kind == "Status" else Status(reason="no Kubernetes Status", message="something else answered")
        unknown = connection.login.anonymous if code in (401, 403) else ""
        message = f"{told.message} (no credentials were sent: {unknown})" if unknown else told.message
        return self.error(request, msgspec.structs.replace(told, code=code, message=message))

    @contextmanager
    def _mapped(self, request: Request) -> Iterator[None]:
        # NB: `from None`: a cause travels into logs and workflow histories with its own text.
        try:
            yield
        except NoCredentials as error:
            raise KubernetesUnavailable(f"Could not {request.what}: {error}.") from None
        except TimeoutError:
            plugin = self._connections.renewal.waits_for
            who = f"the credential plugin {plugin}" if plugin else "the API server"
            raise KubernetesUnavailable(f"Could not {request.what}: {who} did not answer in time.") from None
        except (aiohttp.ClientError, OSError, zlib.error) as error:
            told = self._hide(in_words(error))
            raise KubernetesUnavailable(f"Could not {request.what}: the connection to the API server failed ({told}).") from None

    def _hide(self, text: str) -> str:
        for secret in self._connections.renewal.secrets:
            text = text.replace(secret, "[hidden]")
        return text


async def _send(connection: Sender, request: Request, bounds: aiohttp.ClientTimeout) -> Response:
    return await connection.send(request.method, request.target(), request.headers(), request.body, bounds)


async def _body(response: Response) -> bytes:
    body = await response.read()
    if response.headers.get("Content-Encoding") != "gzip":
        return body
    # NB: on the event loop, where aiohttp would inflate it, a long list holds up all else.
    return await asyncio.to_thread(zlib.decompress, body, GZIP)


def _status(body: bytes) -> Status:
    if not protobuf.is_protobuf(body):
        return msgspec.json.decode(body, type=Status)
    told = protobuf.parsed(kube_pb2.Status, protobuf.content(body))
    return Status("Status", told.message, told.reason)


def _error(code: int, message: str) -> Exception:
    if code in INTERNAL:
        return INTERNAL[code](message)
    return _public(code)(message)


def _public(code: int) -> type[MooringError]:
    if code == 403:
        return KubernetesForbidden
    # NB: 401 is a token that has just expired or isn't known yet more often than a wrong one; it is read again within a minute.
    transient = code in (0, 401, 408, *BUSY) or code >= 500
    return KubernetesUnavailable if transient else KubernetesRejected


def _fits(wait: float, bound: asyncio.Timeout) -> bool:
    deadline = bound.when()
    return deadline is None or asyncio.get_running_loop().time() + wait < deadline


def _retry_after(response: Response) -> float:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else 0.0
