"""Free running by a kernel, for models that it computes: layers of cells that read their tokens."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from rnnlab.cells.base import usable_kernel
from rnnlab.kernels.functions import kernels_take
from rnnlab.kernels.generation import Distribution, Generation, Layer, NotFinite
from rnnlab.models.base import Model, is_observed
from rnnlab.models.stream import Stream
from rnnlab.spec import Batch, Tokens
from rnnlab.state import leaves

_FIRST, _MOST = 16, 256  # steps of the first call and of later ones
_NUMBERS = 2**20  # logits of a call at most, but for one step


def kernel_of(model: Model, batch: Batch, width: int = 1) -> Generation | None:
    """Return what runs a model freely by a kernel, or `None` if none can.

    The kernel stands for `begin` and `step` of a stream model of Elman networks, GRUs or LSTMs that
    reads the tokens that it answers, in float32 on a CPU, unless somebody looks on by hooks.

    Args:
        model: the model.
        batch: as for `free_steps`.
        width: how often each row is repeated.
    """
    if not isinstance(model, Stream) or not _is_readable(model, batch):
        return None
    readout = model.readout
    assert isinstance(readout, nn.Linear)
    if not readout.weight.is_cpu or not kernels_take(
        *readout.parameters(), *model.embed.parameters()
    ):
        return None
    state, layers = model.begin(batch), []
    for cell, own in zip(model.cell.layers, state, strict=True):
        parts = leaves(own)
        kernel = usable_kernel(cell, parts[0])
        if kernel is None or kernel.kernel.name != "scan" or kernel.kernel.cells is not None:
            return None
        tensors = kernel.read(parts[0], own, None).tensors
        assert tensors.state_weight is not None
        hidden, memory = (
            part.repeat_interleave(width, dim=0) for part in (tensors.hidden, tensors.memory)
        )
        layers.append(
            Layer(
                kernel.kernel.cell,
                tensors.input_weight,
                tensors.state_weight,
                tensors.bias,
                hidden,
                memory,
            )
        )
    vectors = None if model.embed.one_hot else model.embed.weight
    inputs, mask = (part.repeat_interleave(width, dim=0) for part in (batch.input, batch.mask))
    return Generation(layers, vectors, readout.weight, readout.bias, inputs, mask)


def _is_readable(model: Stream, batch: Batch) -> bool:
    """Whether a model is of the kind that the kernel runs, and the batch's tokens are its own."""
    read, answered, ids = model.spec.input, model.spec.target, batch.input
    return (
        all(cell.fast for cell in model.cell.layers)  # first, as `vmap` allows no more questions
        and type(model).step is Stream.step
        and isinstance(read, Tokens)
        and isinstance(answered, Tokens)
        and answered.size <= read.size
        and model.spec.feedback
        and not model.taught
        and type(model.readout) is nn.Linear
        and not (model.training and (model.dropout.p or model.cell.dropout.p))
        and model.cell.layers[0].input_size == model.embed.size
        and not is_observed(model)
        and ids.numel() > 0
        and int(ids.min()) >= 0
        and int(ids.max()) < read.size
    )


def steps_by_kernel(
    running: Generation,
    batch: Batch,
    classes: int,
    by: Distribution | None,
    generator: torch.Generator | None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield what `free_steps` does, drawing the same numbers from the generator.

    Args:
        running: made by `kernel_of`.
        batch: the batch that it runs over.
        classes: the number of tokens that the model answers with.
        by: the distribution that answers are drawn from; `None` takes the likeliest.
        generator: the random generator, or `None` where nothing is drawn.
    """
    rows, length = batch.input.shape
    most = max(1, min(_MOST, _NUMBERS // (rows * classes)))
    step, count = 0, min(_FIRST, most)
    while step < length:
        count = min(count, length - step)
        noise = None if generator is None else _exponential((count, rows, classes), generator)
        try:
            outputs, answers = running.run(step, count, by, noise)
        except NotFinite as error:
            raise RuntimeError("the logits to draw from are infinite or NaN") from error
        yield from zip(outputs.unbind(), answers.unbind(), strict=True)
        step, count = step + count, min(2 * count, most)


def _exponential(shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
    """Draw what `torch.multinomial` would draw for each step."""
    noise = torch.empty(shape)
    for step in noise:
        step.exponential_(1.0, generator=generator)
    return noise
