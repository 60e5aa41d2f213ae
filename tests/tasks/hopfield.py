"""A network that stores patterns without learning."""

from functools import partial

import torch

from rnnlab.cells import Elman
from rnnlab.models import Stream
from rnnlab.tasks import AttractorMemory


def hopfield(task: AttractorMemory) -> Stream:
    """Store the patterns by Hebb's rule in an Elman network whose units are nearly signs."""
    size = task.patterns.shape[1]
    weights = {"input_init": "xavier", "recurrent_init": "orthogonal", "recurrent_scale": 1.0}
    net = Stream(
        task.spec,
        cell=partial(Elman, hidden_size=size, activation="tanh", **weights),
        num_layers=1,
        dropout=0.0,
        embedding_size=None,
        initial_state="zero",
        horizon=None,
    )
    hebb = torch.from_numpy(task.patterns.T @ task.patterns).float() / size
    with torch.no_grad():
        net.cell.layers[0].recurrent_weight.copy_(8 * (hebb - hebb.diag().diag()))
        net.readout.weight.copy_(torch.eye(size))
        net.readout.bias.zero_()
    return net.eval()
