"""N models of one shape as one: their parameters stacked along N, one call for all of them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap

from rnnlab.ensemble.batches import batched
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
        model: a model of their shape; its own values mean nothing.
    """

    def __init__(self, models: Sequence[Model]) -> None:
        self.model = deepcopy(models[0])
        self._shapes = {name: p.shape for name, p in models[0].named_parameters()}
        self._places: list[tuple[dict[str, Any], str]] = [
            (self.model.get_submodule(module)._parameters, parameter)
            for module, _, parameter in (name.rpartition(".") for name in self._shapes)
        ]
        self._sizes = [shape.numel() for shape in self._shapes.values()]
        self.flat = torch.stack([row(model) for model in models])

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

        def one(batch: Batch, *parameters: Tensor) -> Any:
            with self._lent(parameters):
                return function(self.model, batch)

        parameters = self.split(flat).values()
        in_dims = (batched(batch, shared=shared), *(0 for _ in parameters))
        with unrolling_members(self.model, steps):
            return vmap(one, in_dims=in_dims)(batch, *parameters)

    def split(self, flat: Tensor) -> dict[str, Tensor]:
        """Cut `(..., P)` into the parameters by name, each `(..., *shape)`."""
        parts = flat.split(self._sizes, dim=-1)
        return {
            name: part.view(*flat.shape[:-1], *shape)
            for part, (name, shape) in zip(parts, self._shapes.items(), strict=True)
        }

    @contextmanager
    def _lent(self, parameters: Sequence[Tensor]) -> Iterator[None]:
        """Put tensors in the place of the model's parameters, as `functional_call` slowly does."""
        own = [holder[name] for holder, name in self._places]
        try:
            for (holder, name), value in zip(self._places, parameters, strict=True):
                holder[name] = value
            yield
        finally:
            for (holder, name), value in zip(self._places, own, strict=True):
                holder[name] = value


def row(model: nn.Module) -> Tensor:
    """Give all parameters of a model side by side, `(P,)`."""
    return torch.cat([p.detach().flatten() for p in model.parameters()])
