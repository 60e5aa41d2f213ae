"""Optimizers over a stack: each member has its own settings, and all are updated in one go.

The states have the names that torch's own optimizers give them, so that a member's part can be
written as such an optimizer's `state_dict`, and read from it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, optim

Settings = Mapping[str, Any]
Numbers = float | NDArray[np.float64]
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
        self._known: dict[tuple[str, int | None], Numbers] = {}

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
        self._update(flat, grad, _numbers(rates))

    @abstractmethod
    def _update(self, flat: Tensor, grad: Tensor, rates: Numbers) -> None: ...

    def copy(self) -> Self:
        """Give another that stays as this one is now."""
        other = copy(self)
        other.states = {name: value.clone() for name, value in self.states.items()}
        return other

    def keep(self, members: Sequence[int]) -> None:
        """Go on with some of the members alone."""
        self.settings = [self.settings[n] for n in members]
        self._known = {}
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

    def _each(self, name: str, place: int | None = None) -> Numbers:
        """Give a setting, or what stands at a place of it, of all members."""
        if (name, place) not in self._known:
            values = [member[name] for member in self.settings]
            self._known[name, place] = _numbers(
                values if place is None else [value[place] for value in values]
            )
        return self._known[name, place]

    def _fit(self, numbers: Numbers) -> float | Tensor:
        """Give numbers as the states can be multiplied by."""
        if isinstance(numbers, float):
            return numbers
        return torch.as_tensor(numbers, dtype=self.states[self.names[0]].dtype)

    def _decayed(self, flat: Tensor, grad: Tensor) -> Tensor:
        """Add the gradient of weight decay."""
        decay = self._each("weight_decay")
        return grad if isinstance(decay, float) and decay == 0 else grad + self._fit(decay) * flat


class Adam(StackedOptimizer):
    """Kingma and Ba (2015), algorithm 1; with `decoupled_weight_decay` it is AdamW."""

    names = ("exp_avg", "exp_avg_sq")

    def _update(self, flat: Tensor, grad: Tensor, rates: Numbers) -> None:
        mean, square = self.states["exp_avg"], self.states["exp_avg_sq"]
        first, second = self._each("betas", 0), self._each("betas", 1)
        if self.settings[0]["decoupled_weight_decay"]:
            flat *= self._fit(1 - rates * self._each("weight_decay"))
        else:
            grad = self._decayed(flat, grad)
        mean.lerp_(grad, self._fit(1 - first))
        square.lerp_(grad.square(), self._fit(1 - second))
        # Both corrections of bias are in the step's size, so that each costs no pass of its own.
        root = (1 - second**self.step) ** 0.5
        step = square.sqrt().add_(self._fit(self._each("eps") * root))
        flat -= torch.div(mean, step, out=step).mul_(
            self._fit(rates * root / (1 - first**self.step))
        )


class SGD(StackedOptimizer):
    """Stochastic gradient descent with momentum."""

    names = ("momentum_buffer",)
    counts_updates = False

    def _update(self, flat: Tensor, grad: Tensor, rates: Numbers) -> None:
        grad = self._decayed(flat, grad)
        momentum, buffer = self._fit(self._each("momentum")), self.states["momentum_buffer"]
        buffer.mul_(momentum).add_(grad)
        ahead = grad + momentum * buffer if self.settings[0]["nesterov"] else buffer
        flat -= self._fit(rates) * ahead

    def _has(self, name: str, n: int) -> bool:  # noqa: ARG002
        return bool(self.settings[n]["momentum"])


class RMSprop(StackedOptimizer):
    """Tieleman and Hinton (2012), lecture 6.5."""

    names = ("square_avg", "momentum_buffer")

    def _update(self, flat: Tensor, grad: Tensor, rates: Numbers) -> None:
        grad = self._decayed(flat, grad)
        square, buffer = self.states["square_avg"], self.states["momentum_buffer"]
        square.lerp_(grad.square(), self._fit(1 - self._each("alpha")))
        step = square.sqrt().add_(self._fit(self._each("eps")))
        buffer.mul_(self._fit(self._each("momentum"))).add_(torch.div(grad, step, out=step))
        flat -= self._fit(rates) * buffer

    def _has(self, name: str, n: int) -> bool:
        return name != "momentum_buffer" or bool(self.settings[n]["momentum"])


def _numbers(values: Sequence[float]) -> Numbers:
    """Give the one value that all members have, or each its own."""
    if values.count(values[0]) == len(values):
        return float(values[0])
    return np.array(values, dtype=np.float64)[:, None]


STACKED: dict[type[optim.Optimizer], type[StackedOptimizer]] = {
    optim.Adam: Adam,
    optim.AdamW: Adam,
    optim.SGD: SGD,
    optim.RMSprop: RMSprop,
}
