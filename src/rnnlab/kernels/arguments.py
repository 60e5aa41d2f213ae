"""What calls of the kernels take.

Every tensor of a call has N members in front: one call computes them all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

ACTIVATIONS = ("tanh", "sigmoid", "relu")
"""The activations of vectors.h, in its order."""


@dataclass(frozen=True)
class Kernel:
    """A kernel, and what it takes beside tensors and sizes.

    Attributes:
        name: scan, jordan or taps.
        cell: its index of the cell or the activation.
        taps: K of delay taps.
        decay: of a Jordan network's context.
        squashed: whether a Jordan network feeds back the softmax of its outputs.
        taught: whether a Jordan network's inputs end with `(target, forced)`, 2 O numbers.
        cells: the header of a cell of somebody's own.
    """

    name: str
    cell: int
    taps: int = 1
    decay: float = 0.0
    squashed: bool = False
    taught: bool = False
    cells: Path | None = None


class Tensors(NamedTuple):
    """What a kernel computes the outputs of one member from; G sums of H numbers each.

    Attributes:
        input_weight: `(P H, I)`, of the P blocks that read the input; of delay taps `(H, K I)`.
        state_weight: `(Q H, F)`, of the Q blocks that read the F numbers that are fed back, or
            None.
        bias: `(G H)`.
        readout_weight: `(O, H)` of a Jordan network, or None where `Readout` has it.
        readout_bias: `(O)` likewise.
        hidden: `(B, F)`, fed back before step 0; of delay taps `(B, (K - 1) I)`, the inputs before.
        memory: `(B, F)`, a memory cell or context before step 0; `(B, 0)` where there is none.
        inputs: `(B, T, I)`, or the indices `(B, T)` of one-hot inputs. With
            `Options.aged_inputs` `(D, B, T, I)`.
        mask: `(B, T)`, True on real steps, which come first; on the others the state stays.
    """

    input_weight: Tensor
    state_weight: Tensor | None
    bias: Tensor
    readout_weight: Tensor | None
    readout_bias: Tensor | None
    hidden: Tensor
    memory: Tensor
    inputs: Tensor
    mask: Tensor | None = None


class Readout(NamedTuple):
    """The linear readout of one member's logits, and what they should answer.

    Attributes:
        weight: `(O, H)`.
        bias: `(O)`.
        target: `(B, S)`.
        mask: `(B, S)`.
    """

    weight: Tensor
    bias: Tensor
    target: Tensor
    mask: Tensor


@dataclass(frozen=True)
class Options:
    """A call of a kernel, but for its tensors.

    No tuple, whose parts `vmap` would go through at each call.

    Attributes:
        kernel: which one.
        steps: the S steps whose outputs are returned, `None` for all.
        horizon: D, steps that gradients flow back from each output, `None` for all.
        aged_inputs: whether the inputs have a copy for each age of a gradient, `(D, B, T, I)`: that
            of copy a is of outputs a steps later.
        aged_outputs: whether the outputs have, `(D, B, S, H)`.
        taped: whether to keep what the backward pass needs; else it computes the outputs again.
    """

    kernel: Kernel
    steps: Sequence[int] | None = None
    horizon: int | None = None
    aged_inputs: bool = False
    aged_outputs: bool = False
    taped: bool = True


def contiguous(tensors: Any) -> Any:
    """Return `Tensors` or a `Readout` whose numbers lie in order."""
    return type(tensors)(*(None if t is None else t.contiguous() for t in tensors))
