"""Traces by OpenTelemetry, from a call of the CO through workflow and activities to the driver's call.

Contract: nothing is traced, and no package of OpenTelemetry imported, unless the environment asks for it as the specification has
it: by OTEL_TRACES_EXPORTER=otlp, or by an endpoint in OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT. All other
OTEL_* variables are the SDK's own. A collector that doesn't answer delays no operation: a thread of its own sends the spans.

NB: spans have workflow ids, and so volume handles, and the messages of failures; payloads and secrets are in none.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
_HTTP: Final = "http/protobuf"
_INSTALL: Final = "pip install 'mooring-csi[tracing]', or unset them"


class Tracing(Protocol):
    """The tracing of one process."""

    @property
    def interceptors(self) -> Sequence[Any]:
        """The interceptors of Temporal's client, and so of its workers."""

    def span(self, name: str, metadata: Iterable[tuple[str, str | bytes]]) -> AbstractContextManager[None]:
        """Trace a call that is served while the block runs, as a part of its caller's trace if its metadata name one."""

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Return the metadata that make a call to another process a part of the present trace."""

    def log_fields(self) -> Mapping[str, str]:
        """Return the id of the present trace, as a field of the log, if there is one."""

    def close(self) -> None:
        """Send what was not sent yet."""


class NoTracing:
    """The tracing that there is unless the environment asks for more."""

    interceptors: Sequence[Any] = ()

    def span(self, name: str, metadata: Iterable[tuple[str, str | bytes]]) -> AbstractContextManager[None]:  # noqa: ARG002
        """Do nothing."""
        return nullcontext()

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Return none."""
        return ()

    def log_fields(self) -> Mapping[str, str]:
        """Return none."""
        return {}

    def close(self) -> None:
        """Do nothing."""


UNTRACED: Final = NoTracing()


class OpenTelemetryTracing:
    """Tracing by a provider of OpenTelemetry's SDK."""

    def __init__(self, provider: Any) -> None:
        from opentelemetry import propagate, trace
        from temporalio.contrib.opentelemetry import TracingInterceptor

        self._provider = provider
        self._tracer = provider.get_tracer("mooring")
        self._served = trace.SpanKind.SERVER
        self._propagate = propagate
        self._present = trace.get_current_span
        self.interceptors: Sequence[Any] = (TracingInterceptor(self._tracer),)

    @contextmanager
    def span(self, name: str, metadata: Iterable[tuple[str, str | bytes]]) -> Iterator[None]:
        """See `Tracing`."""
        carrier = {key: value for key, value in metadata if isinstance(value, str)}
        with self._tracer.start_as_current_span(name, self._propagate.extract(carrier), kind=self._served):
            yield

    def headers(self) -> tuple[tuple[str, str], ...]:
        """See `Tracing`."""
        carrier: dict[str, str] = {}
        self._propagate.inject(carrier)
        return tuple(carrier.items())

    def log_fields(self) -> Mapping[str, str]:
        """See `Tracing`."""
        present = self._present().get_span_context()
        return {"trace_id": format(present.trace_id, "032x")} if present.is_valid else {}

    def close(self) -> None:
        """See `Tracing`."""
        self._provider.shutdown()


def tracing_of(environ: Mapping[str, str]) -> Tracing:
    """Return the tracing that OTEL_* ask for.

    Raises:
        ValueError: they ask for what there is not, or the packages are not installed.

    """
    if not _asked_for(environ):
        return UNTRACED
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ValueError(f"OTEL_* ask for traces, which need packages that are not here ({error}): {_INSTALL}.") from error
    provider = TracerProvider(resource=Resource.create({} if _named(environ) else {"service.name": "mooring"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return OpenTelemetryTracing(provider)


def _asked_for(environ: Mapping[str, str]) -> bool:
    exporter = environ.get("OTEL_TRACES_EXPORTER", "")
    off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or exporter == "none"
    if off or not (exporter or any(environ.get(name) for name in _ENDPOINTS)):
        return False
    if exporter not in ("", "otlp"):
        raise ValueError(f"OTEL_TRACES_EXPORTER={exporter}: traces can be exported by otlp alone, or by none.")
    for name in _PROTOCOLS:
        if environ.get(name, _HTTP) != _HTTP:
            raise ValueError(f"{name}={environ[name]}: traces are sent by {_HTTP} alone; collectors take that on port 4318.")
    return True


def _named(environ: Mapping[str, str]) -> bool:
    return bool(environ.get("OTEL_SERVICE_NAME")) or "service.name=" in environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
