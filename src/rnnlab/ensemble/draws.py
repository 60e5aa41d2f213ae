"""The random numbers of N members, each of which draws what its run alone draws.

A run draws the masks of dropout and the choices of scheduled sampling from torch's global
generator. Here each member has a generator with the same seed, which draws the same numbers; on
a GPU a run alone draws others, from the GPU's generator.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from rnnlab.models.base import Model
from rnnlab.models.stream import Stream

Draw = Callable[[torch.Generator], Tensor]


class Draws:
    """Generators of N members.

    Args:
        generators: one a member.
    """

    def __init__(self, generators: Sequence[torch.Generator]) -> None:
        self._generators = list(generators)

    def of(self, members: Sequence[int]) -> "Draws":
        """Return those of some members, which go on drawing from the same generators."""
        return Draws([self._generators[n] for n in members])

    def states(self) -> list[Tensor]:
        """Return the state of each generator, as `torch.get_rng_state` does."""
        return [generator.get_state() for generator in self._generators]

    def load(self, states: Sequence[Tensor]) -> None:
        """Restore the states of all generators."""
        for generator, state in zip(self._generators, states, strict=True):
            generator.set_state(state)

    def stack(self, draw: Draw) -> Tensor:
        """Let each member draw a tensor; stack them."""
        return torch.stack([draw(generator) for generator in self._generators])

    @contextmanager
    def used_by(
        self, model: Model, steps: Sequence[int] | None = None, length: int = 0
    ) -> Iterator[None]:
        """Make a model that computes under `vmap` draw by these generators.

        Args:
            model: the model.
            steps: the steps whose outputs are needed, or `None` for all; then the dropout before
                the readout of a `Stream` gets the features of these steps alone.
            length: the number of all steps, for each of which a run alone draws.
        """
        selected = None if steps is None else (steps, length)
        last = model.dropout if isinstance(model, Stream) else None
        # An attribute of the instance hides the method of its class.
        replaced: list[tuple[nn.Module, str, Any]] = [
            (part, "forward", partial(_dropout, part, self, selected if part is last else None))
            for part in model.modules()
            if isinstance(part, nn.Dropout)
        ]
        replaced.append((model, "draw", partial(_uniform, model, self)))
        for module, name, function in replaced:
            setattr(module, name, function)
        try:
            yield
        finally:
            for module, name, _ in replaced:
                delattr(module, name)


def _dropout(
    part: nn.Dropout,
    draws: Draws,
    selected: tuple[Sequence[int], int] | None,
    features: Tensor,
) -> Tensor:
    """Compute what `nn.Dropout` computes, in torch's order of operations.

    Args:
        part: the module.
        draws: draw the masks.
        selected: the steps that `features` `(B, S, H)` are of, and how many there are; or `None`.
        features: `(...)`.
    """
    if not part.training or part.p == 0 or not features.numel():
        return features
    keep, shape = 1.0 - part.p, list(features.shape)
    steps: Any = slice(None)
    if selected is not None:
        steps, shape[1] = list(selected[0]), selected[1]

    def draw(generator: torch.Generator) -> Tensor:
        noise = torch.empty(shape, dtype=features.dtype).bernoulli_(keep, generator=generator)
        return (noise if selected is None else noise[:, steps]).div_(keep)

    noise: Tensor = _OfMembers.apply(features.detach(), draws, draw)
    return features * noise


def _uniform(model: Model, draws: Draws, rows: int, steps: int) -> Tensor:
    def draw(generator: torch.Generator) -> Tensor:
        return torch.rand((rows, steps), generator=generator)

    numbers: Tensor = _OfMembers.apply(next(model.parameters()).detach(), draws, draw)
    return numbers


class _OfMembers(torch.autograd.Function):
    """What each member draws, as the tensor of one member; called under `vmap` only.

    Takes a tensor that differs from member to member, the `Draws`, and what each of them draws.
    """

    @staticmethod
    def forward(like: Tensor, draws: Draws, draw: Draw) -> Tensor:  # noqa: ARG004
        """Outside of `vmap` there are no members."""
        raise AssertionError("members draw under vmap")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Save nothing: what is drawn has no gradient."""

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], like: Tensor, draws: Draws, draw: Draw
    ) -> tuple[Tensor, int]:
        """Draw for all members."""
        del info, in_dims
        return draws.stack(draw).to(like.device), 0
