"""A call of the CO is one trace, through workflow and activities, to the driver's call; and none unless OTEL_* ask for it."""
# ruff: noqa: ARG002, N802 - the methods' names and parameters are CSI's

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc.aio
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from temporalio.client import Client

from mooring.csi.sidecar import open_sidecar
from mooring.csi.wire import csi_pb2, csi_pb2_grpc
from mooring.process.tracing import NoTracing, OpenTelemetryTracing, tracing_of
from mooring.settings import Settings
from tests.harness.cluster import Cluster
from tests.harness.csi_client import CsiClient, csi_client, mount
from tests.harness.driver.identity import Identity
from tests.harness.workers import quick, running_worker

TRACE: Final = "0af7651916cd43dd8448eb211c80319c"
CALLER: Final = "b7ad6b7169203331"
TRACEPARENT: Final = (("traceparent", f"00-{TRACE}-{CALLER}-01"),)
VOLUME: Final = "vol-1"


@dataclass(slots=True)
class Recorder(csi_pb2_grpc.ControllerServicer):
    """A driver's controller that remembers the `traceparent` of each call."""

    parents: list[str] = field(default_factory=list)

    async def ControllerGetCapabilities(self, request: Any, context: Any) -> csi_pb2.ControllerGetCapabilitiesResponse:
        answer = csi_pb2.ControllerGetCapabilitiesResponse()
        answer.capabilities.add().rpc.type = csi_pb2.ControllerServiceCapability.RPC.PUBLISH_UNPUBLISH_VOLUME
        return answer

    async def ControllerPublishVolume(self, request: Any, context: Any) -> csi_pb2.ControllerPublishVolumeResponse:
        self.parents += [value for key, value in context.invocation_metadata() if key == "traceparent"]
        return csi_pb2.ControllerPublishVolumeResponse()


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    """The spans that have ended."""
    return InMemorySpanExporter()


@pytest.fixture
def recorder() -> Recorder:
    """The driver's controller."""
    return Recorder()  # type: ignore[abstract] # the generated class answers the rest by UNIMPLEMENTED


@pytest.fixture
async def co(
    temporal_client: Client, cluster: Cluster, recorder: Recorder, exporter: InMemorySpanExporter, tmp_path: Path
) -> AsyncIterator[CsiClient]:
    """A CO before Mooring, which is traced, before that driver."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing = OpenTelemetryTracing(provider)
    server = grpc.aio.server()
    csi_pb2_grpc.add_IdentityServicer_to_server(Identity(cluster.driver), server)
    csi_pb2_grpc.add_ControllerServicer_to_server(recorder, server)
    server.add_insecure_port(f"unix:{tmp_path}/driver.sock")
    await server.start()
    asked = Settings(csi_endpoint=f"unix://{tmp_path}/s", driver_endpoint=f"unix://{tmp_path}/driver.sock")
    client = await traced(temporal_client, tracing)
    async with open_sidecar(asked, tracing) as sidecar:
        met = await sidecar.meet_driver(asked)
        settings = quick(met.driver)
        async with (
            running_worker(client, settings, cluster.proxy.kubeconfig(), sidecar.backend(met), sidecar.state),
            csi_client(asked.csi_endpoint) as caller,
        ):
            yield caller
    await server.stop(None)


async def traced(client: Client, tracing: OpenTelemetryTracing) -> Client:
    """Return a client as a worker's is where its process is traced."""
    config = client.config()
    config["interceptors"] = tracing.interceptors
    return Client(**config)


async def test_a_publish_is_one_trace_from_the_co_to_the_driver(
    co: CsiClient, cluster: Cluster, recorder: Recorder, exporter: InMemorySpanExporter
) -> None:
    await cluster.create(VOLUME)
    request = csi_pb2.ControllerPublishVolumeRequest(volume_id=VOLUME, node_id="node-a", volume_capability=mount())
    await co.controller.ControllerPublishVolume(request, timeout=60, metadata=TRACEPARENT)

    spans = [span for span in exporter.get_finished_spans() if span.context and f"{span.context.trace_id:032x}" == TRACE]
    found = {span.name for span in spans}
    assert {"csi.v1.Controller/ControllerPublishVolume", "StartWorkflow:PublishVolume", "RunWorkflow:PublishVolume"} <= found
    [call] = [span for span in spans if span.name == "RunActivity:backend_publish"]
    assert call.context is not None
    assert recorder.parents == [f"00-{TRACE}-{call.context.span_id:016x}-01"]


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_SERVICE_NAME": "mine"},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.test:4318"},
        {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.test:4318"},
    ],
)
def test_nothing_is_traced_unless_the_environment_asks_for_it(environ: dict[str, str]) -> None:
    assert isinstance(tracing_of(environ), NoTracing)


@pytest.mark.parametrize("asking", [{"OTEL_TRACES_EXPORTER": "otlp"}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}])
def test_traces_are_exported_where_the_environment_asks_for_it(asking: dict[str, str]) -> None:
    tracing = tracing_of(asking)
    with tracing.span("a call", ()):
        [(key, value)] = tracing.headers()
        noted = tracing.log_fields()
    assert (key, noted["trace_id"]) == ("traceparent", value.split("-")[1])
    assert not tracing.log_fields()


@pytest.mark.parametrize(
    ("environ", "fault"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER=zipkin: traces can be exported by otlp alone"),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_PROTOCOL=grpc: traces are sent by http/protobuf alone",
        ),
    ],
)
def test_what_there_is_not_is_refused_by_name(environ: dict[str, str], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        tracing_of(environ)
