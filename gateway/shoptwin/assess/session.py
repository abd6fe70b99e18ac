"""Running an ONNX model: onnxruntime is imported when the first model is opened, and never in a process without one."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

from shoptwin.domain.errors import ModelError, ModelRejected

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_ERRORS_ONLY = 3
NO_RUNTIME = "no-onnxruntime"
NO_TELEMETRY = "ORT_DISABLE_TELEMETRY"


class Session:
    """One model, run on one thread without spinning: the loop beside it must keep its core."""

    def __init__(self, model: bytes, name: str) -> None:
        """Open a model.

        Raises:
            ModelError: onnxruntime is not there (code `no-onnxruntime`).
            ModelRejected: onnxruntime does not accept the model.
        """
        runtime = _runtime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        options.enable_cpu_mem_arena = False  # an arena keeps the memory of the largest batch for ever
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        try:
            self._session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except errors() as e:
            raise ModelRejected(f"{name} cannot be opened: {e}", "Install it again, or learn it anew") from e
        self.inputs = {i.name: tuple(i.shape) for i in self._session.get_inputs()}
        self.defaults = {i.name: tuple(i.shape) for i in self._session.get_overridable_initializers()}
        """Inputs that need not be given."""
        self.outputs = {o.name: tuple(o.shape) for o in self._session.get_outputs()}

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run the model; arrays by name in and out. Inputs that the graph does not have are left out."""
        wanted = {name: array for name, array in feeds.items() if name in self.inputs or name in self.defaults}
        return dict(zip(self.outputs, self._session.run(None, wanted), strict=True))


def _runtime() -> Any:  # noqa: ANN401 - onnxruntime has no types
    # Since 1.32 onnxruntime reports its use to its maker over the network, unless this is set before it is imported.
    os.environ[NO_TELEMETRY] = "1"
    try:
        import onnxruntime  # noqa: PLC0415 - 45 MB that a box with limits alone need not load
    except ImportError as e:
        raise ModelError(
            f"onnxruntime cannot be imported: {e}",
            "Limit alarms stay on. Install it with: pip install onnxruntime",
            code=NO_RUNTIME,
        ) from e
    return onnxruntime


def errors() -> tuple[type[Exception], ...]:
    """Return the classes of onnxruntime's own errors, which share no base class but Exception."""
    from onnxruntime.capi import onnxruntime_pybind11_state as own  # noqa: PLC0415 - only once a model is opened

    return tuple(e for e in vars(own).values() if isinstance(e, type) and issubclass(e, Exception))


def same_shape(declared: tuple[Any, ...], actual: tuple[Any, ...]) -> bool:
    """Tell whether two shapes agree; a word or None in either is a size known at run time."""
    return len(declared) == len(actual) and all(
        not (isinstance(d, int) and isinstance(a, int)) or d == a for d, a in zip(declared, actual, strict=True)
    )


def finite(x: NDArray[Any], default: float = 0.0) -> float:
    """Return the one number in `x`, or `default` where it is not finite; at most a million either way."""
    value = float(x.flat[0])
    return min(max(value, -1e6), 1e6) if math.isfinite(value) else default
