"""A trained model in formats of others: safetensors and ONNX, with a model card."""
