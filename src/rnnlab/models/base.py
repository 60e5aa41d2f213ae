"""The model contract: begin, step, and forward over all steps at once."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from rnnlab.spec import Batch, Layout, TaskSpec
from rnnlab.state import State


class Model(nn.Module, ABC):
    """A net completed by a task's spec.

    `begin` and `step` are the meaning: generation, beam search and scheduled sampling use nothing
    else. `forward` is what they give when every input is the batch's own, computed as fast as can
    be. The first constructor argument, `spec`, is given by the task; the keyword-only ones are the
    config keys.

    Attributes:
        layout: which layout of a task it reads.
        spec: what goes in and out.
    """

    layout: ClassVar[Layout]
    spec: TaskSpec

    @abstractmethod
    def begin(self, batch: Batch) -> State:
        """Give the state before the first input: the initial state, or the source encoded."""

    @abstractmethod
    def step(self, input: Tensor, state: State) -> tuple[Tensor, State]:
        """Take one step: `(B,)` or `(B, I)`, state -> `(B, O)` logits or numbers, state."""

    @abstractmethod
    def forward(self, batch: Batch, state: State | None = None) -> tuple[Tensor, State]:
        """Answer every step of `batch`, `(B, T, O)`, and give the state after the last.

        `state` is where to begin, `begin(batch)` when not given.
        """

    def forward_training(
        self,
        batch: Batch,
        state: State | None,
        step: int,  # noqa: ARG002
    ) -> tuple[Tensor, State]:
        """Do what training does in place of `forward`; `step` is the number of updates so far."""
        return self(batch, state)

    @property
    def reads_targets(self) -> bool:
        """Whether `forward` feeds right answers back in a way that `Batch.input` doesn't show."""
        return False
