"""The SCADA's side: an MQTT client that knows nothing of the gateway but its topics."""

from __future__ import annotations

import json
import threading
from collections import deque
from typing import Any, Self

import paho.mqtt.client as mqtt

EVENTS = "shoptwin/v1/+/+/+/+/event"


class Scada:
    """Subscribes to all events and keeps what it got."""

    def __init__(self, host: str, port: int, version: int) -> None:
        self.lines: deque[str] = deque(maxlen=8)
        self.raised_after_faults: set[str] = set()
        """Machines of which an alarm was raised after they had been broken."""
        self._broken: set[str] = set()
        self._lock = threading.Lock()
        protocol = mqtt.MQTTv5 if version == 5 else mqtt.MQTTv311
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "demo-scada", protocol=protocol)
        self._client.on_connect = lambda client, *_: client.subscribe(EVENTS, qos=1)
        self._client.on_message = lambda _, __, message: self._take(message.payload)
        self._client.connect(host, port)

    def __enter__(self) -> Self:
        self._client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def mark(self, machine: str) -> None:
        """Count alarms of this machine from now on."""
        with self._lock:
            self._broken.add(machine)

    def _take(self, payload: bytes) -> None:
        event: dict[str, Any] = json.loads(payload)
        if event["type"] != "alarm":
            return
        alarm = event["alarm"]
        with self._lock:
            self.lines.append(f"{event['time'][11:19]}  {event['machine']}  {event['kind']:9}  {alarm['text']}")
            if event["kind"] == "raised" and event["machine"] in self._broken:
                self.raised_after_faults.add(event["machine"])
