"""Every error the gateway knows, each class with one policy (DESIGN §3). `hint` is the cure, for the user's eyes."""

from __future__ import annotations


class ShoptwinError(Exception):
    """Anything we foresaw: a short stable `code`, what is wrong, and what to do about it."""

    code = "error"
    exit_code = 1

    def __init__(self, message: str, hint: str = "", *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}" if self.hint else self.message


class ConfigError(ShoptwinError):
    """The configuration cannot be used: exit 78, and systemd does not restart on it."""

    code = "config"
    exit_code = 78


class DriverError(ShoptwinError):
    """A device or its driver."""

    code = "driver"


class NotConnected(DriverError):
    """The device cannot be reached or was lost: its tags are Bad, and the runtime tries again."""

    code = "not-connected"


class Timeout(DriverError):
    """The device did not answer in time: as NotConnected.

    `again_in`: real seconds after which the driver would ask it again, where it keeps count of that for others' sake;
    the runtime then waits for just that.
    """

    code = "timeout"

    def __init__(self, message: str, hint: str = "", *, code: str | None = None, again_in: float | None = None) -> None:
        super().__init__(message, hint, code=code)
        self.again_in = again_in


class BadAddress(DriverError):
    """One tag's address does not exist or cannot be read: that tag is Bad, the rest go on."""

    code = "bad-address"


class BadProfile(BadAddress):
    """The address is by a device profile that is there, but cannot be used: it names the file, not the address."""

    code = "bad-profile"


class AuthFailed(DriverError):
    """The device refuses us (user, password, certificate): stop trying, and raise an alarm."""

    code = "auth-failed"


class BadWish(DriverError):
    """A person has asked for what cannot be had there (unit 300 of a bus): nothing was asked, and exit 2 says so."""

    code = "bad-wish"
    exit_code = 2


class ModelError(ShoptwinError):
    """A model."""

    code = "model"


class ModelRejected(ModelError):
    """A model's hash, shape or units are not those of its manifest: it is not used, the limit alarms stay on."""

    code = "model-rejected"


class StoreError(ShoptwinError):
    """A store."""

    code = "store"


class StoreFull(StoreError):
    """No room, or a read-only disk: shed by declared order, alarms last."""

    code = "store-full"


class StoreCorrupt(StoreError):
    """A file is damaged: set it aside, start a new one, raise an alarm."""

    code = "store-corrupt"


class PublishError(ShoptwinError):
    """The broker cannot be reached or refuses: the outbox keeps the message and tries again."""

    code = "publish"


class RecordingError(ShoptwinError):
    """A recording cannot be read."""

    code = "recording"
    exit_code = 65


class NotRunning(ShoptwinError):
    """No daemon answers on its socket."""

    code = "not-running"
    exit_code = 69
