"""The frame of every command: reach the servers that its options name, wait, and exit with the right code.

Contract: a command's environment is `Session.environ`, its options included; os.environ is not read again.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import typer

from mooring.cli.exit_codes import ExitCode, exit_code
from mooring.cli.output import note, output_failed, waiting
from mooring.errors import InvalidRequest, MooringError, OperationPending

if TYPE_CHECKING:
    from temporalio.client import Client

    from mooring.client import MooringClient
    from mooring.kubernetes.api import KubernetesApi

REQUEST_SECONDS: Final = 10.0
"""Time that the API server has to answer a request."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Session:
    """One invocation of the command. `kubeconfig` and `kube_context` are "" for the environment's, and for the current one."""

    environ: Mapping[str, str]
    verbose: bool
    kubeconfig: str = ""
    kube_context: str = ""

    @staticmethod
    def of(context: typer.Context, kubeconfig: str = "", kube_context: str = "") -> Session:
        """Return the session that the options made."""
        session: Session = context.obj
        return replace(session, kubeconfig=kubeconfig, kube_context=kube_context)

    @property
    def driver(self) -> str:
        """The CSI driver."""
        from mooring.models import DEFAULT_DRIVER

        return self.environ.get("MOORING_DRIVER") or DEFAULT_DRIVER

    @property
    def task_queue(self) -> str:
        """The task queue of the driver's workers."""
        from mooring.settings import default_task_queue

        return self.environ.get("MOORING_TASK_QUEUE") or default_task_queue(self.driver)

    @property
    def clock_skew(self) -> float:
        """The seconds that the clocks of Temporal and the API server may differ by."""
        from mooring.settings import Settings

        return float(self.environ.get("MOORING_CLOCK_SKEW") or Settings.model_fields["clock_skew"].default)

    def refuse_malformed_driver(self) -> None:
        """Raise InvalidRequest if no driver can have this name: no worker would answer, nor is one to be waited for."""
        from pydantic import TypeAdapter, ValidationError

        from mooring.errors import InvalidRequest
        from mooring.models import DriverName, faults

        try:
            TypeAdapter(DriverName).validate_python(self.driver)
        except ValidationError as error:
            raise InvalidRequest(f"The driver name {self.driver!r} is malformed ({faults(error)}).") from None

    async def temporal(self) -> Client:
        """Return a client of Temporal."""
        from temporalio.runtime import Runtime, TelemetryConfig

        from mooring.temporal.connection import connect, load_codec

        try:
            codec = load_codec(self.environ.get("MOORING_PAYLOAD_CODEC", ""))
        except ValueError as error:
            raise InvalidRequest(str(error)) from error
        # NB: temporalio's core logs to standard output, which is for data.
        return await connect(runtime=Runtime(telemetry=TelemetryConfig(logging=None)), environ=self.environ, codec=codec)

    async def kubernetes(self) -> KubernetesApi:
        """Return a client of the API server; raise KubernetesNotConfigured if none is named."""
        from mooring.kubernetes.connection import connect

        return await connect(self.kubeconfig or None, self.environ, REQUEST_SECONDS, context=self.kube_context)

    def ask(self, call: Callable[[MooringClient], Awaitable[T]], what: str, *, joined_by: str, needs_worker: bool = False) -> T:
        """Return Mooring's answer. `what` is the request, as a noun: "the publish of ..."; `joined_by` says how to rejoin it.

        `needs_worker`: a request that begins by reading something is not made while no worker would answer.
        """

        async def work() -> T:
            from mooring.client import MooringClient
            from mooring.temporal import queues

            temporal = await self.temporal()
            if needs_worker and (unavailable := await queues.unavailable(temporal, self.task_queue, f", so {what} can't begin")):
                raise unavailable
            try:
                return await call(MooringClient(temporal, driver=self.driver, task_queue=self.task_queue))
            except OperationPending as pending:
                unavailable = await queues.unavailable(temporal, self.task_queue, f", so {what} waits for one")
                raise (unavailable or pending) from None

        return self.run(work, what, f"Interrupted. If {what} had begun, it goes on: {joined_by}")

    def run(
        self, work: Callable[[], Coroutine[Any, Any, T]], what: str, interrupted: str = "Interrupted.", *, streams: bool = False
    ) -> T:
        """Run the work and return its result; an error ends the command. `streams`: it prints as it works, so no wait is shown."""
        import asyncio

        # NB: without any handler Python shows libraries' warnings on standard error; -v has one, and shows more than those.
        logging.getLogger().addHandler(logging.NullHandler())
        try:
            with nullcontext() if streams else waiting(what):
                return asyncio.run(work())
        except KeyboardInterrupt:
            note(interrupted)
            raise typer.Exit(ExitCode.INTERRUPTED) from None
        except MooringError as error:
            self.fail(error)
        except BrokenPipeError:
            raise  # whoever read standard output has seen enough
        except Exception as error:
            if self.verbose or output_failed(error):
                raise
            note(
                f"Error: {what} failed because of a bug in Mooring, {type(error).__name__}: {error}. Run it again with -v for "
                "the traceback."
            )
            raise typer.Exit(ExitCode.FAILED) from None

    def fail(self, *errors: MooringError) -> NoReturn:
        """End the command with these errors, and the exit code of the first."""
        for error in errors:
            if self.verbose:
                traceback.print_exception(error)
            note(f"Error: {error}")
        raise typer.Exit(exit_code(errors[0]))
