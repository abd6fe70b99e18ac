from __future__ import annotations

from shoptwin.publish.readback import ReadBack

MACHINE = "shoptwin/v1/p/a/l/m"
GATEWAY = "shoptwin/v1/p/_gateway/g"


def test_each_class_of_topics_is_read_back_and_a_gateway_has_no_summary():
    """State, alarms, events and summaries of each machine; status, alarms and events of the gateway."""
    readback = ReadBack([MACHINE], GATEWAY)
    assert set(readback.unverified) == {
        f"{MACHINE}/state", f"{MACHINE}/alarm", f"{MACHINE}/event", f"{MACHINE}/summary",
        f"{GATEWAY}/status", f"{GATEWAY}/alarm", f"{GATEWAY}/event",
    }  # fmt: skip


def test_an_echo_proves_its_class_and_ends_its_subscription():
    """The probe below a class, or a real message on it, proves it; its filter is then no longer needed."""
    readback = ReadBack([MACHINE], GATEWAY)
    assert readback.received(f"{MACHINE}/event/_probe", retained=False) == f"{MACHINE}/event/#"
    assert readback.received(f"{MACHINE}/event", retained=False) is None
    assert readback.received(f"{MACHINE}/alarm/t.hi", retained=False) == f"{MACHINE}/alarm/#"
    assert f"{MACHINE}/event" not in readback.unverified
    assert f"{MACHINE}/alarm" not in readback.unverified


def test_what_was_retained_before_proves_nothing():
    """A retained message was stored by an earlier connection, which may have had other rights."""
    readback = ReadBack([MACHINE], GATEWAY)
    assert readback.received(f"{MACHINE}/state", retained=True) is None
    assert f"{MACHINE}/state" in readback.unverified
