"""Optimizers over a stack: each member has its own settings, and all are updated in one go.

The states have the names that torch's own optimizers give them, so that a member's part can be
written as such an optimizer's `state_dict`, and read from it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, optim

Settings = Mapping[str, Any]
Number = float | Tensor
"""One for all members, or `(N, 1)`."""


class StackedOptimizer(ABC):
    """Updates `(N, P)` parameters by `(N, P)` gradients.

    Args:
        settings: each member's own, as in `param_groups` of torch's optimizer.

    Attributes:
        states: name -> `(N, P)`; empty before the first update.
        step: updates done.
        names: of the states.
        counts_updates: whether torch keeps their number in the state of each parameter.
    """

    names: ClassVar[tuple[str, ...]]
    counts_updates: ClassVar[bool] = True

    def __init__(self, settings: Sequence[Settings]) -> None:
        self.settings = list(settings)
        self.states: dict[str, Tensor] = {}
        self.step = 0

    @torch.no_grad()
    def update(self, flat: Tensor, grad: Tensor, rates: Sequence[float]) -> None:
        """Change `flat` in place.

        Args:
            flat: `(N, P)`.
            grad: `(N, P)`.
            rates: each member's learning rate.
        """
        if not self.states:
            self.states = {name: torch.zeros_like(flat) for name in self.names}
        self.step += 1
        self._update(flat, grad, list(rates))

    @abstractmethod
    def _update(self, flat: Tensor, grad: Tensor, rates: list[float]) -> None: ...

    def copy(self) -> Self:
        """Give another that stays as this one is now."""
        other = copy(self)
        other.states = {name: value.clone() for name, value in self.states.items()}
        return other

    def keep(self, members: Sequence[int]) -> None:
        """Go on with some of the members alone."""
        self.settings = [self.settings[n] for n in members]
        self.states = {name: value[list(members)] for name, value in self.states.items()}

    def state_of(self, n: int) -> dict[str, Tensor]:
        """Give a member's states by name, each `(P,)`, those that torch would have."""
        return {name: value[n] for name, value in self.states.items() if self._has(name, n)}

    def _has(self, name: str, n: int) -> bool:  # noqa: ARG002
        return True

    def load(self, states: Sequence[Mapping[str, Tensor]], step: int) -> None:
        """Go on from what `state_of` gave of each member after `step` updates."""
        self.step = step
        some = next((value for state in states for value in state.values()), None)
        if some is None:
            return
        nothing = torch.zeros_like(some)
        self.states = {
            name: torch.stack([state.get(name, nothing) for state in states]) for name in self.names
        }

    def _each(self, name: str) -> Number:
        return self._spread([member[name] for member in self.settings])

    def _spread(self, values: Sequence[float]) -> Number:
        """Give the one value that all members have, or each its own."""
        if all(value == values[0] for value in values):
            return float(values[0])
        dtype = self.states[self.names[0]].dtype
        return torch.tensor([float(value) for value in values], dtype=dtype)[:, None]

    def _decayed(self, flat: Tensor, grad: Tensor) -> Tensor:
        """Add the gradient of weight decay."""
        decay = self._each("weight_decay")
        return grad if isinstance(decay, float) and decay == 0 else grad + decay * flat


class Adam(StackedOptimizer):
    """Kingma and Ba (2015), algorithm 1; with `decoupled_weight_decay` it is AdamW."""

    names = ("exp_avg", "exp_avg_sq")

    def _update(self, flat: Tensor, grad: Tensor, rates: list[float]) -> None:
        mean, square = self.states["exp_avg"], self.states["exp_avg_sq"]
        betas = [[float(beta) for beta in member["betas"]] for member in self.settings]
        first, second = (self._spread([pair[i] for pair in betas]) for i in (0, 1))
        if self.settings[0]["decoupled_weight_decay"]:
            decays = [m["weight_decay"] for m in self.settings]
            flat *= self._spread([1 - r * d for r, d in zip(rates, decays, strict=True)])
        else:
            grad = self._decayed(flat, grad)
        mean.lerp_(grad, 1 - first)
        square.mul_(second).add_(grad.square().mul_(1 - second))
        roots = self._spread([(1 - pair[1] ** self.step) ** 0.5 for pair in betas])
        sizes = self._spread(
            [r / (1 - p[0] ** self.step) for r, p in zip(rates, betas, strict=True)]
        )
        flat -= sizes * mean / (square.sqrt().div_(roots).add_(self._each("eps")))


class SGD(StackedOptimizer):
    """Stochastic gradient descent with momentum."""

    names = ("momentum_buffer",)
    counts_updates = False

    def _update(self, flat: Tensor, grad: Tensor, rates: list[float]) -> None:
        grad = self._decayed(flat, grad)
        momentum, buffer = self._each("momentum"), self.states["momentum_buffer"]
        buffer.mul_(momentum).add_(grad)
        ahead = grad + momentum * buffer if self.settings[0]["nesterov"] else buffer
        flat -= self._spread(rates) * ahead

    def _has(self, name: str, n: int) -> bool:  # noqa: ARG002
        return bool(self.settings[n]["momentum"])


class RMSprop(StackedOptimizer):
    """Tieleman and Hinton (2012), lecture 6.5."""

    names = ("square_avg", "momentum_buffer")

    def _update(self, flat: Tensor, grad: Tensor, rates: list[float]) -> None:
        grad = self._decayed(flat, grad)
        alpha, square = self._each("alpha"), self.states["square_avg"]
        square.mul_(alpha).add_(grad.square().mul_(1 - alpha))
        buffer = self.states["momentum_buffer"]
        buffer.mul_(self._each("momentum")).add_(grad / square.sqrt().add_(self._each("eps")))
        flat -= self._spread(rates) * buffer

    def _has(self, name: str, n: int) -> bool:
        return name != "momentum_buffer" or bool(self.settings[n]["momentum"])


STACKED: dict[type[optim.Optimizer], type[StackedOptimizer]] = {
    optim.Adam: Adam,
    optim.AdamW: Adam,
    optim.SGD: SGD,
    optim.RMSprop: RMSprop,
}
