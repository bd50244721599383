"""The connection to Temporal: made as the Temporal CLI makes it, with payloads as pydantic JSON; and search attributes.

Contract: the address, namespace, TLS and API key come from TEMPORAL_* and the CLI's profiles (`temporalio.envconfig`), and from
nothing of Mooring's own; a payload codec is the user's code, and comes from whoever connects. Registering search attributes never
fails a worker: if it can't be done, the reason is returned, and operations go on without them.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import PayloadCodec
from temporalio.envconfig import ClientConfig
from temporalio.runtime import LogForwardingConfig, LoggingConfig, PrometheusConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import RPCError

from mooring import names
from mooring.backend import load_named
from mooring.errors import TemporalUnavailable
from mooring.temporal.namespace import namespace_id, patiently
from mooring.temporal.reasons import in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from temporalio.client import Interceptor

CONNECT_SECONDS: Final = 5.0
_HEALTH_TIMEOUT: Final = timedelta(seconds=2)
_OPERATION_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60, 120, 300, 900)
"""Seconds. NB: the SDK's own end at 10, where a CO's patience (15) is not yet over."""
logger = logging.getLogger(__name__)
SEARCH_ATTRIBUTES = (names.CSI_DRIVER, names.VOLUME_ID, names.NODE_ID, names.ATTACHMENT_STATE)


async def connect(
    *,
    identity: str | None = None,
    runtime: Runtime | None = None,
    environ: Mapping[str, str] | None = None,
    interceptors: Sequence[Interceptor] = (),
    codec: PayloadCodec | None = None,
) -> Client:
    """Connect to the server that the environment names: `environ`, or else the process's. `codec` encodes all payloads.

    Raises:
        TemporalUnavailable: the server can't be reached, or the configuration names none.

    """
    try:
        config = ClientConfig.load_client_connect_config(override_env_vars=environ)
    except (RuntimeError, ValueError, OSError) as error:
        why = f"TEMPORAL_*, the Temporal CLI's profile or a file that they name can't be read: {in_words(error)}."
        raise TemporalUnavailable(why, "Correct the variable, the profile or the file; docs/tls.md shows them.") from error
    config.setdefault("target_host", "localhost:7233")
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await Client.connect(
                **config,
                data_converter=replace(pydantic_data_converter, payload_codec=codec),
                identity=identity,
                runtime=runtime,
                interceptors=interceptors,
            )
    except TimeoutError:
        raise TemporalUnavailable(f"Temporal at {config['target_host']} did not answer in {CONNECT_SECONDS:g} s.") from None
    except (RuntimeError, RPCError, ValueError, OSError) as error:
        raise TemporalUnavailable(f"Temporal at {config['target_host']} can't be reached: {in_words(error)}.") from error


def load_codec(name: str) -> PayloadCodec | None:
    """Load the codec that MOORING_PAYLOAD_CODEC names, None for ""; raise ValueError if it names none."""
    if not name:
        return None
    made = load_named("MOORING_PAYLOAD_CODEC", name, "payload codec")
    if not isinstance(made, PayloadCodec):
        raise ValueError(f"MOORING_PAYLOAD_CODEC={name} makes no payload codec, but a {type(made).__name__}.")  # noqa: TRY004 - as `load`
    return made


async def reach(
    identity: str,
    runtime: Runtime,
    tell: Callable[[str], None],
    interceptors: Sequence[Interceptor] = (),
    codec: PayloadCodec | None = None,
) -> Client:
    """Return a client as `connect` does, however long server and namespace take to appear; `tell` receives what is missing."""

    async def reached() -> Client:
        client = await connect(identity=identity, runtime=runtime, interceptors=interceptors, codec=codec)
        await namespace_id(client)
        return client

    return await patiently(reached, tell)


def runtime(metrics_address: str, driver: str, log: logging.Logger) -> Runtime:
    """Make the SDK's runtime of a worker: its metrics at host:port, with the driver as a label; its core's warnings in `log`."""
    metrics = PrometheusConfig(
        bind_address=metrics_address,
        counters_total_suffix=True,
        unit_suffix=True,
        durations_as_seconds=True,
        histogram_bucket_overrides={names.OPERATION_DURATION: _OPERATION_BUCKETS},
    )
    # NB: the SDK's core would log to standard output by itself.
    core_log = LoggingConfig(TelemetryFilter(core_level="WARN", other_level="ERROR"), LogForwardingConfig(log))
    return Runtime(telemetry=TelemetryConfig(metrics=metrics, logging=core_log, global_tags={"driver": driver}))


async def unavailable(client: Client) -> list[str]:
    """Return the reasons why Temporal can't be relied on now."""
    try:
        if not await client.service_client.check_health(timeout=_HEALTH_TIMEOUT):
            return ["Temporal says it is not serving."]
        await namespace_id(client)
    except RPCError as error:
        return [f"Temporal can't be reached: {in_words(error)}."]
    except TemporalUnavailable as error:
        return [str(error)]
    return []


async def register_search_attributes(client: Client) -> str | None:
    """Register Mooring's search attributes with the namespace, and return None, or the reason why that can't be done."""
    kind = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
    wanted = AddSearchAttributesRequest(namespace=client.namespace, search_attributes=dict.fromkeys(SEARCH_ATTRIBUTES, kind))
    try:
        await client.operator_service.add_search_attributes(wanted)
        found = await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace=client.namespace))
    except RPCError as error:
        return str(error)
    # NB: a name that is taken for another type is added without a word, and then fails every workflow task that sets it.
    taken = [name for name in SEARCH_ATTRIBUTES if found.custom_attributes.get(name) != kind]
    return f"{', '.join(taken)} would have to be of type Keyword" if taken else None
