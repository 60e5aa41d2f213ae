"""Trask's binary addition: his random numbers and his learning rule, through our models.

Trask (2015), Anyone can learn to code an LSTM-RNN in Python. A network of 16 logistic units without
biases reads two numbers below 128, lowest bits first, and is corrected after each sum. He printed
the summed error of every thousandth sum.
"""

import copy
import itertools
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from rnnlab.cells import Elman
from rnnlab.models.stream import Stream
from rnnlab.runs.run import Run
from rnnlab.spec import Batch

BITS = 8  # of a sum
RATE = 0.1
EVERY = 1000  # sums from one printed error to the next
PRINTED = (
    *(3.45638663, 3.63389116, 3.91366595, 3.72191702, 3.5852713),
    *(2.53352328, 0.57691441, 1.42589952, 0.47477457, 0.21595037),
)


def printed_errors_met(run: Run) -> float:
    """Count the errors that Trask printed, of ten, which the model of a run meets in all digits.

    Args:
        run: of an Elman network of 16 logistic units, which reads two numbers and answers one; its
            weights don't matter.
    """
    model = run.model
    assert isinstance(model, Stream)
    found = itertools.islice(errors(model), 0, EVERY * len(PRINTED), EVERY)
    return sum(round(ours, 8) == his for ours, his in zip(found, PRINTED, strict=True))


def errors(model: Stream) -> Iterator[float]:
    """Teach a copy of a model sum by sum, and yield the summed error of each sum before it learns.

    Half the squared error has the gradient that Trask wrote out by hand; gradients flow back as
    far as the model's horizon lets them.
    """
    model = copy.deepcopy(model).double()
    rng = np.random.RandomState(0)
    (cell,) = model.cell.layers
    assert isinstance(cell, Elman)
    readout = model.get_parameter("readout.weight")
    weights = [cell.input_weight, readout, cell.recurrent_weight]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        for weight in weights:  # drawn in his order; his matrices are ours transposed
            weight.copy_(torch.from_numpy(2 * rng.random_sample(weight.T.shape) - 1).T)
    descent = torch.optim.SGD(weights, lr=RATE)
    while True:
        first, second = rng.randint(2 ** (BITS - 1)), rng.randint(2 ** (BITS - 1))
        numbers = torch.stack([_bits(first), _bits(second)], dim=1)[None]
        target = _bits(first + second)[None, :, None]
        output, _ = model(Batch(numbers, target, torch.ones(1, BITS, dtype=torch.bool)))
        error = target - output.sigmoid()
        yield float(error.detach().abs().sum())
        descent.zero_grad()
        (error.square().sum() / 2).backward()
        descent.step()


def _bits(number: int) -> Tensor:
    """Return the bits of a number `(BITS,)`, the lowest first."""
    return (torch.tensor(number) >> torch.arange(BITS) & 1).double()
