"""Learning what is normal for one machine: fitted on its own evidence, written as ONNX, in a process of its own."""

import os

# Told before numpy is imported: at the lowest priority, threads of OpenBLAS that wait for one another burn the core
# that they wait for. A process that has imported numpy already keeps what it has.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
