"""N models of one shape as one: their parameters stacked along N, one call for all of them."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from rnnlab.ensemble.unroll import unrolling_members
from rnnlab.models.base import Model
from rnnlab.spec import Batch


class Stacked:
    """The parameters of N models as one matrix, a row a member, and calls of all of them at once.

    One matrix, because an optimizer's step, a norm and a copy are then one operation each, however
    many parameters a model has.

    Args:
        models: alike but for the values of their parameters.

    Attributes:
        flat: `(N, P)`, all parameters of each member side by side.
    """

    def __init__(self, models: Sequence[Model]) -> None:
        self._within = _Within(deepcopy(models[0]))
        self._shapes = {name: p.shape for name, p in models[0].named_parameters()}
        self._sizes = [shape.numel() for shape in self._shapes.values()]
        self.flat = torch.stack([row(model) for model in models])

    @property
    def model(self) -> Model:
        """A model of their shape; its own values mean nothing."""
        return self._within.model

    def __call__(
        self,
        function: Callable[[Model, Batch], Any],
        flat: Tensor,
        batch: Batch,
        *,
        shared: bool,
        steps: Sequence[int] | None = None,
    ) -> Any:
        """Call `function(model, batch)` for each member; results have N first.

        Args:
            function: what is done with one model and its batch; it gives tensors or trees of them.
            flat: `(N, P)`.
            batch: `(N, B, ...)`, or `(B, ...)` where it is one and the same for all.
            shared: whether it is.
            steps: the only steps whose outputs are wanted; `None` for all.
        """
        names = [name for name, part in zip(Batch._fields, batch, strict=True) if part is not None]
        nothing = dict.fromkeys(Batch._fields)

        def one(parameters: dict[str, Tensor], *parts: Tensor) -> Any:
            own = Batch(**{**nothing, **dict(zip(names, parts, strict=True))})  # type: ignore[arg-type]
            return functional_call(self._within, parameters, (function, own))

        parts = [part for part in batch if part is not None]
        in_dims = (0, *(None if shared else 0,) * len(parts))
        parameters = {f"model.{name}": value for name, value in self.split(flat).items()}
        with unrolling_members(self.model, steps):
            return vmap(one, in_dims=in_dims)(parameters, *parts)

    def split(self, flat: Tensor) -> dict[str, Tensor]:
        """Cut `(..., P)` into the parameters by name, each `(..., *shape)`."""
        parts = flat.split(self._sizes, dim=-1)
        return {
            name: part.view(*flat.shape[:-1], *shape)
            for part, (name, shape) in zip(parts, self._shapes.items(), strict=True)
        }


def row(model: nn.Module) -> Tensor:
    """Give all parameters of a model side by side, `(P,)`."""
    return torch.cat([p.detach().flatten() for p in model.parameters()])


class _Within(nn.Module):
    """Lets `functional_call` call any function of a model, not only its forward."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, function: Callable[[Model, Batch], Any], batch: Batch) -> Any:
        return function(self.model, batch)
