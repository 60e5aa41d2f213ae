"""Comparison of exported graphs with the model, by onnxruntime."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rnnlab.cells import readable
from rnnlab.errors import ConfigError
from rnnlab.exports.parts import Example

SIZES = ((1, 7), (5, 12))
"""Rows and steps at which a graph is compared, none of them those that it was exported with."""

_TOLERANCE = 1e-4  # relative to the largest number of an output, which may be a sum of many


def largest_difference(
    graph: bytes, module: nn.Module, examples: list[Example], name: str
) -> float:
    """Return the largest difference of any output on any example.

    Args:
        graph: the serialised ONNX model.
        module: what it was exported from.
        examples: inputs of different sizes.
        name: of the graph, for errors.

    Raises:
        ConfigError: an output differs by more than rounding.
    """
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.log_severity_level = 3  # errors
    options.intra_op_num_threads = torch.get_num_threads()
    session = InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    largest = 0.0
    for example in examples:
        asked = {value.name: example.tensors[value.name].numpy() for value in session.get_inputs()}
        with torch.no_grad(), readable(module):  # kernels leave outputs of padding undefined
            right = module(*example.tensors.values())
        rights = [right] if isinstance(right, Tensor) else list(right)
        for given, wanted in zip(session.run(None, asked), rights, strict=True):
            largest = max(largest, _difference(given, wanted, name))
    return largest


def _difference(given: Any, wanted: Tensor, name: str) -> float:
    right = wanted.detach().numpy().astype(np.float64)
    if given.shape != right.shape:
        raise ConfigError(
            f"{name} is not the model: onnxruntime gives {given.shape}, the model {right.shape}"
        )
    if not right.size:
        return 0.0
    difference = float(np.abs(given.astype(np.float64) - right).max())
    if not difference <= _TOLERANCE * max(1.0, float(np.abs(right).max())):
        raise ConfigError(f"{name} is not the model: an output differs by {difference:.2g}")
    return difference
