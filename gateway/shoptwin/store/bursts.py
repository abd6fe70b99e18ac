"""Between waveforms in memory and rows of `waveforms` in `twin.db`, exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shoptwin.domain.batch import Waveform
from shoptwin.domain.quality import is_bad

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from shoptwin.domain.batch import SampleBatch


def waveform_rows(batch: SampleBatch, numbers: NDArray[np.int64]) -> Iterable[tuple[Any, ...]]:
    """Yield rows (tag, time, status, server, received, rate, scale, type, samples) of those that are not Bad."""
    bad = is_bad(batch.status)
    for i, waveform in enumerate(batch.values):
        if bad[i] or not isinstance(waveform, Waveform):
            continue
        form = "i2" if waveform.samples.dtype == np.int16 else "f4"
        time, server = int(batch.source_time[i]), int(batch.server_time[i])
        yield (
            int(numbers[batch.tag[i]]), time, int(batch.status[i]), server - time if server else None,
            batch.receive_time - time, waveform.rate, waveform.scale, form,
            np.ascontiguousarray(waveform.samples, f"<{form}").tobytes(),
        )  # fmt: skip


def waveform(rate: float, scale: float, form: str, samples: bytes) -> Waveform:
    """Return a waveform from its row."""
    return Waveform(np.frombuffer(samples, f"<{form}").astype(form), rate, scale)
