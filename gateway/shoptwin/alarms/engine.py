"""The alarm engine: one pure step of one alarm (ISA-18.2 / IEC 62682). No clock, no input, no output.

- `AlarmState.raised_at` and `cleared_at` say since when the condition is true or false, by the time of the sample;
  `AlarmEvent.time` says when that was announced: a delay, a poll or a suppression later.
- A delay runs on the gateway's clock, because clocks of PLCs are often wrong; beside that, a condition that by its own
  samples lasted for the delay is announced at once, so that a batch of buffered samples tells all that happened.
- Bad data holds the state, and the delay stands still meanwhile. It is not begun anew: a loose wire comes with many a
  real fault, and a flickering sensor must not be able to keep an alarm back for ever.
- A clock that steps back never lengthens a delay beyond its full length from now.
"""

from __future__ import annotations

from dataclasses import fields
from hashlib import blake2b
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from shoptwin.alarms.transitions import SUPPRESSED, TRANSITIONS, Trigger
from shoptwin.domain.alarm import Action, AlarmEvent, AlarmState, Annunciation, Command, Condition, EventKind, Tick

if TYPE_CHECKING:
    from shoptwin.domain.alarm import AlarmDef

    Step = tuple[AlarmState, tuple[AlarmEvent, ...]]

_UNACKNOWLEDGED, _ACKNOWLEDGED = Annunciation.UNACKNOWLEDGED, Annunciation.ACKNOWLEDGED
_NAMES = tuple(field.name for field in fields(AlarmState))
_values = attrgetter(*_NAMES)
_LOW = frozenset({"lo", "lolo"})


def step(definition: AlarmDef, state: AlarmState, given: Condition | Command | Tick, now: int) -> Step:
    """Return the state after `given`, and what is to be announced of it. `now` is in ns UTC, above 0.

    A step that changes nothing returns the very same `state`.
    """
    if type(given) is Condition:
        return _condition(definition, state, given, now)
    if type(given) is Command:
        return _command(definition, state, given, now)
    return _run_out(definition, state, now)


def _condition(definition: AlarmDef, state: AlarmState, given: Condition, now: int) -> Step:
    active = given.active
    if active is None:
        return (state if state.held_since else _with(state, held_since=now)), ()
    if active == state.condition and not state.due and not state.held_since:  # by far the most frequent
        return (_measured(definition, state, given) if active else state), ()
    events: tuple[AlarmEvent, ...] = ()
    at = min(given.time, now) if given.time > 0 else now
    if state.held_since:
        state = _resumed(state, now)
    elif state.due and not state.suppressed_by and at - state.pending_since - state.paused >= _delay(definition, state):
        state, events = _announce(definition, state, now)
    if active != state.condition:
        state = _turned(definition, state, given, at, now)
    elif active:
        state = _measured(definition, state, given)
    state, more = _run_out(definition, state, now)
    return state, events + more


def _run_out(definition: AlarmDef, state: AlarmState, now: int) -> Step:
    """Announce what a delay held back, once it is over."""
    if not state.due or state.held_since or state.suppressed_by:
        return state, ()
    if state.due <= now:
        return _announce(definition, state, now)
    if state.due > (latest := now + _delay(definition, state)):  # the clock went back, or the delay was shortened
        return _run_out(definition, _with(state, due=latest), now)
    return state, ()


def _announce(definition: AlarmDef, state: AlarmState, now: int) -> Step:
    """Raise or clear, as the condition says."""
    trigger = Trigger.HELD if state.condition else Trigger.GONE
    after, kind = TRANSITIONS[state.annunciation, trigger]
    since = min(state.pending_since, now)
    settled: dict[str, Any] = {"annunciation": Annunciation(after), "pending_since": 0, "due": 0, "paused": 0}
    if kind is EventKind.RAISED:
        settled |= {"raised_at": since, "cleared_at": 0, "acknowledged_at": 0, "acknowledged_by": ""}
        settled["occurrence"] = _occurrence(state, since)
    else:
        settled["cleared_at"] = max(since, state.raised_at)
    state = _with(state, **settled)
    return state, (AlarmEvent(kind, definition, state, now),)


def _command(definition: AlarmDef, state: AlarmState, given: Command, now: int) -> Step:
    trigger = Trigger(given.action.value)
    found = TRANSITIONS.get((SUPPRESSED if state.suppressed_by else state.annunciation.value, trigger))
    if found is None:
        return state, ()
    after, kind = found
    if given.action is Action.ACKNOWLEDGE:
        who = given.by or "unknown"
        state = _with(state, annunciation=Annunciation(after), acknowledged_at=now, acknowledged_by=who)
    elif given.action is Action.SUPPRESS:
        state = _suppressed(state, given.reason or "suppressed", now)
    elif given.action is Action.UNSUPPRESS:
        state = _with(state, suppressed_by="", due=min(state.due, now + _delay(definition, state)))
    event = AlarmEvent(kind, definition, state, now, given.by, given.reason)
    if kind is not EventKind.UNSUPPRESSED:
        return state, (event,)
    state, more = _run_out(definition, state, now)
    return state, (event, *more)


def _suppressed(state: AlarmState, why: str, now: int) -> AlarmState:
    """Take the alarm off the list. The condition is followed on, so that what is still true can be announced later."""
    if not state.condition:
        cleared = max(state.pending_since, state.raised_at) if _standing(state) else state.cleared_at
        return _with(
            state, suppressed_by=why, annunciation=Annunciation.NORMAL, cleared_at=cleared,
            pending_since=0, due=0, paused=0,
        )  # fmt: skip
    return _with(
        state, suppressed_by=why, annunciation=Annunciation.NORMAL,
        pending_since=state.pending_since or state.raised_at, due=state.due or now,
    )  # fmt: skip


def _turned(definition: AlarmDef, state: AlarmState, given: Condition, at: int, now: int) -> AlarmState:
    """Take in a condition that is not what it was: begin a delay, or end one that has become idle."""
    active = given.active is True
    pending = active != _standing(state)
    delay = definition.on_delay if active else definition.off_delay
    return _with(
        state, condition=active,
        pending_since=at if pending else 0, due=now + delay if pending else 0, paused=0,
        value=given.value, limit=given.limit, text=given.text, confidence=given.confidence, evidence=given.evidence,
        cause=given.cause,
        worst=_worse(definition, state.worst, given.value) if not active or _standing(state) else given.value,
    )  # fmt: skip


def _measured(definition: AlarmDef, state: AlarmState, given: Condition) -> AlarmState:
    """Keep the latest figures of a condition that stays true. Written out, since this runs for each sample."""
    if given.value == state.value and given.text == state.text and given.confidence == state.confidence:
        return state
    return AlarmState(
        state.alarm, state.annunciation, state.condition, state.pending_since, state.occurrence, state.raised_at,
        state.cleared_at, state.acknowledged_at, state.acknowledged_by, state.suppressed_by,
        given.value, given.limit, given.text, given.confidence, given.evidence,
        _worse(definition, state.worst, given.value), state.due, state.paused, state.held_since, given.cause,
    )  # fmt: skip


def _worse(definition: AlarmDef, worst: float | None, value: float | None) -> float | None:
    """Return the one of two values that is further beyond the limit."""
    if worst is None or value is None:
        return value if worst is None else worst
    return min(worst, value) if definition.condition in _LOW else max(worst, value)


def _resumed(state: AlarmState, now: int) -> AlarmState:
    """Data is back: let the delay run on from where it stood still."""
    pause = max(0, now - state.held_since) if state.due else 0
    return _with(state, held_since=0, due=state.due + pause, paused=state.paused + pause)


def _standing(state: AlarmState) -> bool:
    return state.annunciation is _UNACKNOWLEDGED or state.annunciation is _ACKNOWLEDGED


def _delay(definition: AlarmDef, state: AlarmState) -> int:
    return definition.on_delay if state.condition else definition.off_delay


def _occurrence(state: AlarmState, raised_at: int) -> str:
    """Return an id that replays to the same, and differs from the one before it even where the time is the same."""
    source = f"{state.alarm}\n{raised_at}\n{state.occurrence}"
    return blake2b(source.encode(), digest_size=16).hexdigest()


def _with(state: AlarmState, **changes: Any) -> AlarmState:  # noqa: ANN401 - a field's value has the field's type
    """Return the state with some fields changed; a third faster than dataclasses.replace."""
    kept = dict(zip(_NAMES, _values(state), strict=True))
    kept.update(changes)
    return AlarmState(**kept)
