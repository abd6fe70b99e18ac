"""All that a driver needs, and the only module of the gateway that a driver imports.

A driver is one folder: a `plugin` object (see `Plugin`) named by an entry point in the group `shoptwin.drivers`, its
addresses, its connection, a README, a sample and test cases. It never retries, paces or logs on its own: it raises.
It can read and never write: there is no `write` here.
"""

from shoptwin.domain.batch import SampleBatch, Waveform
from shoptwin.domain.device import Group, Hole, Point, ProfileInfo, ProfileTag, TagCandidate, TagDefaults, Talk
from shoptwin.domain.discovery import (
    BrowseWish,
    Candidate,
    FoundEndpoint,
    FoundMachine,
    FoundRange,
    FoundServer,
    FoundUnit,
    PeekCell,
    PeekView,
    ScanReport,
    ScanWish,
    Verdict,
)
from shoptwin.domain.errors import AuthFailed, BadAddress, BadProfile, ConfigError, DriverError, NotConnected, Timeout
from shoptwin.domain.ports import (
    Address,
    Browsable,
    Cautioning,
    Connection,
    Discovering,
    Foreseeing,
    Peeker,
    Peeking,
    Plugin,
    Polled,
    Preloading,
    Profiled,
    Remembering,
    Scanning,
    Subscribed,
    Talking,
    Trusting,
    Walkable,
)
from shoptwin.domain.quality import StatusCode
from shoptwin.domain.tag import CurrentLoop, Role, ValueKind
from shoptwin.domain.timing import iso, parse_duration, parse_time
from shoptwin.domain.trust import Certificate, Standing

__all__ = [
    "Address",
    "AuthFailed",
    "BadAddress",
    "BadProfile",
    "Browsable",
    "BrowseWish",
    "Candidate",
    "Cautioning",
    "Certificate",
    "ConfigError",
    "Connection",
    "CurrentLoop",
    "Discovering",
    "DriverError",
    "Foreseeing",
    "FoundEndpoint",
    "FoundMachine",
    "FoundRange",
    "FoundServer",
    "FoundUnit",
    "Group",
    "Hole",
    "NotConnected",
    "PeekCell",
    "PeekView",
    "Peeker",
    "Peeking",
    "Plugin",
    "Point",
    "Polled",
    "Preloading",
    "ProfileInfo",
    "ProfileTag",
    "Profiled",
    "Remembering",
    "Role",
    "SampleBatch",
    "ScanReport",
    "ScanWish",
    "Scanning",
    "Standing",
    "StatusCode",
    "Subscribed",
    "TagCandidate",
    "TagDefaults",
    "Talk",
    "Talking",
    "Timeout",
    "Trusting",
    "ValueKind",
    "Verdict",
    "Walkable",
    "Waveform",
    "iso",
    "parse_duration",
    "parse_time",
]
