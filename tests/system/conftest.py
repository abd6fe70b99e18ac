"""Real brokers and independent subscribers for the system tests."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import socket
import subprocess
import threading
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_SBIN = f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin{os.pathsep}/usr/local/sbin"


def free_port() -> int:
    """Return a TCP port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Broker:
    """One mosquitto on the loopback; its port stays the same over `kill()` and `start()`."""

    folder: Path
    port: int
    options: list[str]
    tls: Any = None
    """Has the paths `ca`, `cert` and `key`, or None."""
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What a user would write into the configuration."""
        return f"mqtts://localhost:{self.port}" if self.tls else f"mqtt://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What the broker has written so far."""
        path = self.folder / "mosquitto.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> Broker:
        """Start, and return once the port answers."""
        config = self.folder / "mosquitto.conf"
        config.write_text("\n".join(self.options) + "\n")
        program = shutil.which("mosquitto", path=_SBIN)
        assert program is not None
        with (self.folder / "mosquitto.log").open("ab") as out:
            self.process = subprocess.Popen([program, "-v", "-c", str(config)], stdout=out, stderr=out)
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"mosquitto did not start:\n{self.log}")

    def kill(self) -> None:
        """Kill -9."""
        self._end(lambda process: process.kill())

    def stop(self) -> None:
        """SIGTERM, the orderly end: persistence is written."""
        self._end(lambda process: process.terminate())

    def reload(self) -> None:
        """SIGHUP: password file and ACL are read again."""
        assert self.process is not None
        self.process.send_signal(1)

    def write_acl(self, acl: str) -> None:
        """Put another access list into the file; `reload()` makes it count."""
        _private(self.folder / "acl", acl)

    def _end(self, how: Callable[[subprocess.Popen[bytes]], None]) -> None:
        if self.process is not None and self.process.poll() is None:
            how(self.process)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        self.process = None


def _private(path: Path, text: str) -> Path:
    path.touch(0o600)
    path.write_text(text)
    return path


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    """Give a factory of running brokers: `broker()`, `broker(persistence=True, users={"gw": "secret"}, acl="…")`.

    `users` switches anonymous access off; `acl` is the text of an acl_file; `tls` has the paths `ca`, `cert` and
    `key`, and `client_cert` makes the broker ask for one; `extra` are further lines of mosquitto.conf; `start=False`
    leaves it down.
    """
    if shutil.which("mosquitto", path=_SBIN) is None:
        pytest.skip("mosquitto is not installed (apt install mosquitto)")
    brokers: list[Broker] = []

    def make(
        *,
        persistence: bool = False,
        users: dict[str, str] | None = None,
        acl: str | None = None,
        tls: Any = None,
        client_cert: bool = False,
        extra: tuple[str, ...] = (),
        start: bool = True,
    ) -> Broker:
        folder = tmp_path / f"broker-{len(brokers)}"
        folder.mkdir()
        port = free_port()
        options = ["per_listener_settings false", f"user {pwd.getpwuid(os.getuid()).pw_name}"]
        options += [f"allow_anonymous {'false' if users else 'true'}", "set_tcp_nodelay true"]
        if persistence:
            options += ["persistence true", f"persistence_location {folder}/"]
            options += ["autosave_on_changes true", "autosave_interval 1"]
        if users:
            tool = shutil.which("mosquitto_passwd", path=_SBIN)
            if tool is None:
                pytest.skip("mosquitto_passwd is not installed (apt install mosquitto)")
            _private(folder / "passwords", "")
            for user, password in users.items():
                subprocess.run([tool, "-b", str(folder / "passwords"), user, password], check=True, capture_output=True)
            options.append(f"password_file {folder / 'passwords'}")
        if acl is not None:
            options.append(f"acl_file {_private(folder / 'acl', acl)}")
        options.append(f"listener {port} 127.0.0.1")
        if tls:
            options += [f"cafile {tls.ca}", f"certfile {tls.cert}", f"keyfile {tls.key}"]
            options += [f"require_certificate {'true' if client_cert else 'false'}"]
        one = Broker(folder, port, [*options, *extra], tls)
        brokers.append(one)
        return one.start() if start else one

    yield make
    for one in brokers:
        one.kill()


@dataclass(frozen=True)
class Received:
    """One message as an independent client got it."""

    topic: str
    payload: bytes
    retained: bool
    time: float
    """On the monotonic clock, s."""

    @property
    def json(self) -> Any:
        """The payload, decoded."""
        return json.loads(self.payload)


class Subscriber:
    """An independent MQTT client in a thread of its own; it connects again by itself when the broker comes back.

    Its session is durable, so a broker with persistence keeps for it what comes while it is away.
    """

    def __init__(self, broker: Broker, topic: str, *, user: str = "", password: str = "", version: int = 5) -> None:
        self.messages: list[Received] = []
        self._changed = threading.Condition()
        self._subscribed = threading.Event()
        protocol = MQTTProtocolVersion.MQTTv5 if version == 5 else MQTTProtocolVersion.MQTTv311
        name, durable = f"subscriber-{uuid.uuid4().hex[:8]}", {} if version == 5 else {"clean_session": False}
        self._client = paho.Client(CallbackAPIVersion.VERSION2, name, protocol=protocol, **durable)
        self._client.reconnect_delay_set(1, 1)
        if user:
            self._client.username_pw_set(user, password)
        if broker.tls:
            self._client.tls_set(str(broker.tls.ca))
        self._client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_disconnect = lambda *_: self._subscribed.clear()
        self._client.on_message = self._on_message
        more: dict[str, Any] = {}
        if version == 5:
            more["clean_start"] = False
            more["properties"] = Properties(PacketTypes.CONNECT)
            more["properties"].SessionExpiryInterval = 3600
        self._client.connect("localhost" if broker.tls else "127.0.0.1", broker.port, **more)
        self._client.loop_start()
        self.back()

    def back(self, seconds: float = 10) -> None:
        """Wait until it is connected and subscribed (again)."""
        assert self._subscribed.wait(seconds), "the subscriber was not let in"

    def _on_message(self, _client: Any, _userdata: Any, message: paho.MQTTMessage) -> None:
        with self._changed:
            self.messages.append(
                Received(message.topic, bytes(message.payload), bool(message.retain), time.monotonic())
            )
            self._changed.notify_all()

    def on(self, part: str) -> list[Received]:
        """Return what came on the topics that contain `part`."""
        return [m for m in list(self.messages) if part in m.topic]

    def wait(self, until: Callable[[list[Received]], object], seconds: float = 15) -> list[Received]:
        """Wait until `until(messages)` is true, in this thread; return all messages. AssertionError when time is up."""
        with self._changed:
            done = self._changed.wait_for(lambda: until(self.messages), seconds)
        tail = [(m.topic, m.payload[:200]) for m in self.messages[-5:]]
        assert done, f"waited {seconds} s in vain; {len(self.messages)} messages, the last: {tail}"
        return list(self.messages)

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def subscriber() -> Iterator[Callable[..., Subscriber]]:
    """Give a factory of subscribers: `subscriber(broker, "shoptwin/#")`; in async tests use `to_thread` to wait."""
    made: list[Subscriber] = []

    def make(broker: Broker, topic: str = "shoptwin/#", **options: Any) -> Subscriber:
        made.append(Subscriber(broker, topic, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()
