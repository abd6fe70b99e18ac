"""The shipped models: one folder each, with model.onnx, manifest.toml and MODEL_CARD.md. Data only, no code."""
