"""Learning what is normal for one machine: fitted on its own evidence, written as ONNX, in a process of its own."""
