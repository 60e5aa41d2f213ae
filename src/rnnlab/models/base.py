"""The base class of models: `begin`, `step`, and `forward` over all steps at once."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from rnnlab.spec import Batch, Layout, TaskSpec
from rnnlab.state import State


class Model(nn.Module, ABC):
    """A network with the input and output sizes of a task.

    `begin` and `step` define the model: generation, beam search and scheduled sampling use only
    these two. `forward` computes the same under teacher forcing, with all steps at once where that
    is possible. The first constructor argument, `spec`, comes from the task; the keyword-only
    arguments are the config keys.

    Attributes:
        layout: the layout of the batches that the model reads.
        spec: input and output types.
        is_map: whether a step is a map of one state vector to the next, in which analyses look for
            fixed points, cycles and chaos.
    """

    layout: ClassVar[Layout]
    is_map: ClassVar[bool] = True
    spec: TaskSpec

    @abstractmethod
    def begin(self, batch: Batch) -> State:
        """Return the state before the first input: the initial state, or the encoded source."""

    @abstractmethod
    def step(self, input: Tensor, state: State) -> tuple[Tensor, State]:
        """Take one step: `(B,)` ids or `(B, I)`, state -> `(B, O)` logits or numbers, state."""

    @abstractmethod
    def forward(self, batch: Batch, state: State | None = None) -> tuple[Tensor, State]:
        """Compute the outputs `(B, T, O)` of a batch and the final state.

        `state` is the state before the first step; `None` means `begin(batch)`.
        """

    def forward_training(
        self,
        batch: Batch,
        state: State | None,
        step: int,  # noqa: ARG002
    ) -> tuple[Tensor, State]:
        """Compute what training uses in place of `forward`; `step` is the number of updates."""
        return self(batch, state)

    def attend(self, batch: Batch) -> Tensor | None:  # noqa: ARG002
        """Return the attention weights under teacher forcing, `None` without any.

        They are `(B, L, N, T, S)`, of L layers with N heads, from T steps to the S source steps,
        or without a source to the T input steps.
        """
        return None

    def draw(self, rows: int, steps: int) -> Tensor:
        """Draw uniform random numbers `(rows, steps)`; each member of a group draws its own."""
        device = next((p.device for p in self.parameters()), None)
        return torch.rand((rows, steps), device=device)

    @property
    def draws(self) -> bool:
        """Whether `forward_training` draws random numbers, by `nn.Dropout` or by `draw`."""
        return any(isinstance(part, nn.Dropout) and part.p > 0 for part in self.modules())

    @property
    def reads_targets(self) -> bool:
        """Whether `forward` reads `Batch.target` (teacher forcing inside the model)."""
        return False


def source_of(batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the source of a batch and its mask `(B, S)`, by default True everywhere.

    Raises:
        ValueError: it has none.
    """
    if batch.source is None:
        raise ValueError("an encoder-decoder model reads Batch.source; this batch has none")
    if batch.source_mask is not None:
        return batch.source, batch.source_mask
    every = torch.ones(batch.source.shape[:2], dtype=torch.bool, device=batch.source.device)
    return batch.source, every


def is_observed(module: nn.Module) -> bool:
    """Whether somebody looks on at a module or at a part of it by hooks, which no kernel calls."""
    parts = [module]
    for part in parts:  # which grows meanwhile: `modules` takes ten times as long
        if (
            part._forward_hooks
            or part._forward_pre_hooks
            or part._backward_hooks
            or part._backward_pre_hooks
        ):
            return True
        parts += [inner for inner in part._modules.values() if inner is not None]
    return False
