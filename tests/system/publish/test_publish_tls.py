"""TLS with a plant's own CA, and what is said when it does not fit."""

from __future__ import annotations

import datetime as dt

import pytest

ALARM = "shoptwin/v1/plant-1/hall-2/line-a/press-3/alarm/spindle_temp.hi"


@pytest.mark.parametrize("version", [5, 4])
async def test_alarms_travel_encrypted_with_the_plants_own_ca(  # noqa: PLR0917 - fixtures
    broker, certificates, subscriber, station, off, version
):
    """With mqtts and ca_file the broker is checked against the plant's CA, and many messages get through."""
    tls = certificates()
    b = broker(tls=tls)
    s = await off(subscriber, b)
    gateway = station(b, ca_file=tls.ca, version=version).start()
    for _ in range(100):
        await gateway.alarm()
    await off(s.wait, lambda m: len([x for x in m if x.topic == ALARM]) == 100)
    await gateway.empty()
    assert not gateway.errors


async def test_a_client_certificate_lets_in_and_its_absence_is_explained(broker, certificates, station):
    """Where the broker wants a client certificate, the gateway shows its own; without one the hint names cert_file."""
    tls = certificates()
    b = broker(tls=tls, client_cert=True)
    without = station(b, ca_file=tls.ca, folder="without").start()
    await without.until(lambda: without.errors)
    assert "cert_file" in str(without.errors[0])
    gateway = station(b, ca_file=tls.ca, cert_file=tls.client_cert, key_file=tls.client_key).start()
    await gateway.connected()


async def test_a_certificate_of_the_future_means_that_the_clock_is_wrong(broker, certificates, station):
    """A box in 1970 is told that its clock is not set, with the time that it shows; the outbox waits."""
    tls = certificates(not_before=dt.datetime.now(dt.UTC) + dt.timedelta(days=30))
    b = broker(tls=tls)
    gateway = station(b, ca_file=tls.ca).start()
    await gateway.alarm()
    await gateway.until(lambda: len(gateway.errors) > 1)
    message = str(gateway.errors[0])
    assert "not valid yet" in message
    assert f"the clock of this box says {dt.datetime.now(dt.UTC).year}-" in message
    assert "NTP" in message
    assert gateway.waiting() == 2


async def test_an_unknown_ca_a_missing_file_and_plain_text_are_told_apart(broker, certificates, station):
    """Each misconfiguration of TLS has an error of its own, with the setting that cures it."""
    tls, other = certificates(), certificates(name="other")
    b, plain = broker(tls=tls), broker()
    cases = {
        "ca_file": {"ca_file": other.ca},
        "cannot be read": {"ca_file": tls.ca.with_name("nowhere.pem")},
        "cannot be used": {"ca_file": tls.ca, "cert_file": tls.client_cert, "key_file": other.client_key},
        "1883": {"ca_file": tls.ca, "url": f"mqtts://localhost:{plain.port}"},
    }
    for n, (said, mqtt) in enumerate(cases.items()):
        gateway = station(b, folder=f"g{n}", **mqtt).start()
        await gateway.until(lambda gateway=gateway: gateway.errors)
        assert said in str(gateway.errors[0]), gateway.errors[0]
        await gateway.close()
