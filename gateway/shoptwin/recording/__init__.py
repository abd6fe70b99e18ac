"""Reading recordings: a directory with `scalars.csv`, `waveforms.npz`, or both, and a `machine.toml`.

`scalars.csv` has the header `time,<tag>,...`, ISO 8601 times in UTC, and an empty cell where a value is missing.
`waveforms.npz` has `time` (float64 [n], epoch seconds), and per tag `<tag>` (int16 or float32 [n, samples]),
`<tag>.rate` (Hz) and `<tag>.scale` (engineering units per count). Where both files exist they share their times.
"""

from shoptwin.domain.errors import RecordingError
from shoptwin.recording.recording import Recording, Row
from shoptwin.recording.waveforms import WaveColumn

__all__ = ["Recording", "RecordingError", "Row", "WaveColumn"]
