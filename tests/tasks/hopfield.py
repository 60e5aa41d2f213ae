"""A network that stores patterns without learning."""

from functools import partial

import torch

from rnnlab.models import Stream
from rnnlab.tasks import AttractorMemory
from tests.cells.zoo import elman
from tests.models.zoo import SETTINGS


def hopfield(task: AttractorMemory) -> Stream:
    """Store the patterns by Hebb's rule in an Elman network whose units are nearly signs."""
    size = task.patterns.shape[1]
    net = Stream(task.spec, cell=partial(elman, hidden_size=size), **SETTINGS)
    hebb = torch.from_numpy(task.patterns.T @ task.patterns).float() / size
    with torch.no_grad():
        net.cell.layers[0].recurrent_weight.copy_(8 * (hebb - hebb.diag().diag()))
        net.readout.weight.copy_(torch.eye(size))
        net.readout.bias.zero_()
    return net.eval()
