"""The CSI endpoint: its socket, open to its owner alone, and the plugin that answers."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from grpc import aio

from mooring.checks.results import Answer, Question, failed, ok, skipped, warning
from mooring.csi.driver import driver_channel
from mooring.csi.endpoint import SCHEME
from mooring.csi.wire import csi_pb2, csi_pb2_grpc
from mooring.settings import unix_socket

CSI: Final = "CSI"
SOCKET: Final = "csi-socket"
ANSWERS: Final = "csi-answers"
SECONDS: Final = 5.0
PRIVATE: Final = 0o600


class CsiChecks:
    """The questions to the endpoint `unix:///path` of one driver; "" for none."""

    def __init__(self, endpoint: str, driver: str) -> None:
        self._endpoint = endpoint
        self._driver = driver

    def questions(self) -> Sequence[Question]:
        """Return all questions, in order."""
        start = "See the log of the process that serves it (`mooring csi`)."
        return (
            Question(CSI, SOCKET, "The endpoint's socket exists", self._socket),
            Question(CSI, ANSWERS, f"The endpoint belongs to driver {self._driver}", self._answers, start, (SOCKET,)),
            Question(CSI, "csi-ready", "The endpoint is ready", self._ready, start, (SOCKET, ANSWERS)),
        )

    async def _socket(self) -> Answer:
        if not self._endpoint:
            return skipped("no endpoint is given; name one with --csi-endpoint unix:///path")
        try:
            self._endpoint = unix_socket(self._endpoint)
        except ValueError as error:
            return failed(f"{self._endpoint} {error}.", "Give the socket that external-attacher has as --csi-address.")
        path = Path(self._endpoint.removeprefix(SCHEME))
        try:
            mode = path.stat().st_mode  # noqa: ASYNC240 - a local file
        except OSError as error:
            return failed(
                f"{path} can't be accessed: {os.strerror(error.errno or 0)}.", "Start `mooring csi`, or correct the path."
            )
        if not stat.S_ISSOCK(mode):
            return failed(f"{path} is not a socket.", "Remove it and restart `mooring csi`, or correct the path.")
        if stat.S_IMODE(mode) != PRIVATE:
            why = f"{path} has mode {stat.S_IMODE(mode):04o}: other users than its owner may attach volumes through it."
            return warning(why, "", f"chmod {PRIVATE:04o} {shlex.quote(str(path))}")
        return ok(str(path))

    async def _answers(self) -> Answer:
        async with driver_channel(self._endpoint) as channel:
            try:
                info = await _identity(channel).GetPluginInfo(csi_pb2.GetPluginInfoRequest(), timeout=SECONDS)
            except aio.AioRpcError as error:
                return _no_answer(error)
        if info.name == self._driver:
            return ok(f"version {info.vendor_version}")
        return failed(
            f"The endpoint belongs to driver {info.name}.", "Set MOORING_DRIVER, or --driver, to the name that the driver reports."
        )

    async def _ready(self) -> Answer:
        async with driver_channel(self._endpoint) as channel:
            try:
                probe = await _identity(channel).Probe(csi_pb2.ProbeRequest(), timeout=SECONDS)
            except aio.AioRpcError as error:
                return _no_answer(error)
        # NB: a Probe that doesn't say is ready (CSI spec, ProbeResponse).
        if probe.ready.value or not probe.HasField("ready"):
            return ok()
        return failed(
            "The endpoint reports that it is not ready, so external-attacher waits.", "See the reasons on the process's /readyz."
        )


def _identity(channel: aio.Channel) -> csi_pb2_grpc.IdentityAsyncStub:
    return csi_pb2_grpc.IdentityStub(channel)


def _no_answer(error: aio.AioRpcError) -> Answer:
    cause = f"The endpoint answered {error.code().name}: {error.details()}."
    return failed(cause, "Restart `mooring csi`, and see its log.")
