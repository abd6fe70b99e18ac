"""Prometheus metrics, built at each scrape from `Control.status()`; docs/reference/metrics.md lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.metrics_core import Metric
    from starlette.requests import Request

    from shoptwin.serve.control import Control

PREFIX = "shoptwin"


class StatusCollector(Collector):
    """Turns the status of the daemon into metrics; keeps nothing between scrapes."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def collect(self) -> Iterator[Metric]:
        """Yield every family; those whose figures the status does not have are left out."""
        status = self._control.status()
        info = InfoMetricFamily(f"{PREFIX}_gateway", "Who this gateway is.")
        info.add_metric([], {key: str(status[key]) for key in ("version", "site", "gateway") if key in status})
        yield info
        yield from _devices(status.get("devices", []))
        yield from _alarms(status.get("alarms"))
        yield from _outbox(status.get("outbox", {}))
        yield from _store(status.get("store", {}))
        yield _degraded(status.get("degraded", []))

    def describe(self) -> Iterator[Metric]:
        """Yield nothing: names are known only once the status is asked for."""
        yield from ()


_COUNTERS = (
    ("polls", "polls", "Polls of a device since start."),
    ("missed_polls", "missed_polls", "Polls that were left out because the one before took too long."),
    ("late_polls", "late_polls", "Polls that began later than a tenth of their period."),
    ("samples", "samples", "Values taken in."),
    ("bad_samples", "bad_samples", "Values taken in whose status was Bad."),
    ("requests", "requests", "Requests sent."),
    ("timeouts", "timeouts", "Requests without a reply in time."),
    ("garbled", "garbled_replies", "Replies that were not decoded, as they were damaged or not to what was asked."),
    ("retries", "retries", "Requests asked again, as the device was busy."),
    ("torn_waveforms", "torn_waveforms", "Waveforms dropped, as the device changed them while they were read."),
)
"""Key in the status, name of the metric, what it counts."""


def _devices(devices: list[dict[str, Any]]) -> Iterator[Metric]:
    labels = ["device", "driver"]
    up = GaugeMetricFamily(f"{PREFIX}_device_up", "1 while the device answers.", labels=labels)
    for device in devices:
        up.add_metric([device["device"], device["driver"]], float(device["health"] == "connected"))
    yield up
    for key, name, text in _COUNTERS:
        family = CounterMetricFamily(f"{PREFIX}_device_{name}", text, labels=labels)
        for device in devices:
            if key in device:
                family.add_metric([device["device"], device["driver"]], device[key])
        yield family
    errors = CounterMetricFamily(f"{PREFIX}_device_errors", "Failures by their code.", labels=[*labels, "code"])
    for device in devices:
        for code, count in device.get("errors", {}).items():
            errors.add_metric([device["device"], device["driver"], code], count)
    yield errors
    yield _latency(devices, labels, "latency", "How long the last polls took.")
    yield _latency(devices, labels, "request", "How long the last requests took that brought data.")
    yield from _talks(devices, labels)


def _talks(devices: list[dict[str, Any]], labels: list[str]) -> Iterator[Metric]:
    """Yield what drivers tell of their talk with the devices."""
    bytes_ = CounterMetricFamily(f"{PREFIX}_device_bytes", "Bytes on the wire.", labels=[*labels, "direction"])
    refused = CounterMetricFamily(
        f"{PREFIX}_device_exceptions", "Refusals, by the protocol's own code.", labels=[*labels, "code"]
    )
    part_up = GaugeMetricFamily(
        f"{PREFIX}_device_part_up", "1 while what stands behind the connection answers.", labels=[*labels, "part"]
    )
    holes = GaugeMetricFamily(f"{PREFIX}_device_holes", "Addresses that the device refuses.", labels=labels)
    breaker = GaugeMetricFamily(
        f"{PREFIX}_device_breaker_open", "1 while the device is only probed, at growing intervals.", labels=labels
    )
    skew = GaugeMetricFamily(
        f"{PREFIX}_device_clock_skew_seconds", "How far the device's clock is behind the gateway's.", labels=labels
    )
    for device in devices:
        who = [device["device"], device["driver"]]
        breaker.add_metric(who, float(device.get("breaker") == "open"))
        if device.get("skew_s") is not None:
            skew.add_metric(who, device["skew_s"])
        for direction in ("sent", "received"):
            if f"bytes_{direction}" in device:
                bytes_.add_metric([*who, direction], device[f"bytes_{direction}"])
        for code, count in device.get("exceptions", {}).items():
            refused.add_metric([*who, code], count)
        for part, answers in device.get("parts", {}).items():
            part_up.add_metric([*who, part], float(answers))
        if "holes" in device:
            holes.add_metric(who, len(device["holes"]))
    yield from (bytes_, refused, part_up, holes, breaker, skew)


def _latency(devices: list[dict[str, Any]], labels: list[str], what: str, text: str) -> Metric:
    family = GaugeMetricFamily(f"{PREFIX}_device_{what}_seconds", text, labels=[*labels, "quantile"])
    for device in devices:
        for key, quantile in ((f"{what}_p50_ms", "0.5"), (f"{what}_p99_ms", "0.99")):
            if (milliseconds := device.get(key)) is not None:
                family.add_metric([device["device"], device["driver"], quantile], milliseconds / 1e3)
    return family


def _alarms(standing: dict[str, int] | None) -> Iterator[Metric]:
    if standing is None:
        return
    family = GaugeMetricFamily(f"{PREFIX}_alarms_standing", "Alarms that stand, by priority.", labels=["priority"])
    for priority, count in standing.items():
        family.add_metric([priority], count)
    yield family


def _outbox(outbox: dict[str, Any]) -> Iterator[Metric]:
    if "messages" in outbox:
        text = "Messages that wait for the broker."
        yield GaugeMetricFamily(f"{PREFIX}_outbox_messages", text, value=outbox["messages"])
    if "connected" in outbox:
        yield GaugeMetricFamily(f"{PREFIX}_broker_up", "1 while the broker is connected.", value=outbox["connected"])


def _store(store: dict[str, Any]) -> Iterator[Metric]:
    if "bytes" in store:
        yield GaugeMetricFamily(f"{PREFIX}_store_bytes", "What twin.db takes on the disk.", value=store["bytes"])
    for key, text in (("written", "Samples that were stored."), ("lost", "Samples that could not be stored.")):
        if key in store:
            yield CounterMetricFamily(f"{PREFIX}_store_samples_{key}", text, value=store[key])


def _degraded(degraded: list[str]) -> Metric:
    text = "How many parts do not work as they should (see `shoptwin status`)."
    return GaugeMetricFamily(f"{PREFIX}_degraded", text, value=len(degraded))


def application(control: Control) -> Starlette:
    """Return the ASGI application that Prometheus scrapes at /metrics."""
    registry = CollectorRegistry()
    registry.register(StatusCollector(control))

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return Starlette(routes=[Route("/metrics", metrics)])
