"""N models with the same parameter shapes, stacked: one call computes all of them by `vmap`."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap

from rnnlab.ensemble.batches import batch_in_dims
from rnnlab.ensemble.unroll import unrolling_members
from rnnlab.errors import ConfigError
from rnnlab.models.base import Model
from rnnlab.spec import Batch


class StackedModel:
    """N models whose parameters are the rows of one matrix.

    In one matrix an optimizer's step, a norm and a copy are one operation each, however many
    parameters a model has.

    Args:
        models: equal but for the values of their parameters.
        device: where to compute.

    Raises:
        ConfigError: their buffers differ.

    Attributes:
        flat: `(N, P)`, the flattened parameters of each member.
        model: computes with one member's parameters at a time; its own values are not used.
    """

    def __init__(self, models: Sequence[Model], device: torch.device | None = None) -> None:
        for name, buffer in models[0].named_buffers():
            if any(not buffer.equal(model.get_buffer(name)) for model in models[1:]):
                raise ConfigError(f"the buffer {name} differs from run to run")
        self.model = deepcopy(models[0]).to(device)
        self._shapes = {name: p.shape for name, p in models[0].named_parameters()}
        self._holders: list[tuple[dict[str, Any], str]] = [
            (self.model.get_submodule(module)._parameters, parameter)
            for module, _, parameter in (name.rpartition(".") for name in self._shapes)
        ]
        self._sizes = [shape.numel() for shape in self._shapes.values()]
        self.flat = torch.stack([flat_parameters(model) for model in models]).to(device)

    def __call__(
        self,
        function: Callable[..., Any],
        flat: Tensor,
        batch: Batch,
        *more: Any,
        shared: bool,
        steps: Sequence[int] | None = None,
    ) -> Any:
        """Call `function(model, batch, *more)` for each member; results have N first.

        Args:
            function: returns tensors or a tree of them.
            flat: `(N, P)`, parameters.
            batch: `(N, B, ...)`, or `(B, ...)` if `shared`.
            more: tensors or trees of them, `(N, ...)`.
            shared: whether all members have the same batch.
            steps: the steps whose outputs are needed, or `None` for all.
        """

        def one(batch: Batch, more: tuple[Any, ...], *parameters: Tensor) -> Any:
            with self._with_parameters(parameters):
                return function(self.model, batch, *more)

        parameters = self.split(flat).values()
        in_dims = (batch_in_dims(batch, shared=shared), 0, *(0 for _ in parameters))
        with unrolling_members(self.model, steps):
            return vmap(one, in_dims=in_dims)(batch, more, *parameters)

    def split(self, flat: Tensor) -> dict[str, Tensor]:
        """Split `(..., P)` into parameters by name, each `(..., *shape)`."""
        parts = flat.split(self._sizes, dim=-1)
        return {
            name: part.view(*flat.shape[:-1], *shape)
            for part, (name, shape) in zip(parts, self._shapes.items(), strict=True)
        }

    @contextmanager
    def _with_parameters(self, parameters: Sequence[Tensor]) -> Iterator[None]:
        """Replace the model's parameters by tensors; `functional_call` does it more slowly."""
        own = [holder[name] for holder, name in self._holders]
        try:
            for (holder, name), value in zip(self._holders, parameters, strict=True):
                holder[name] = value
            yield
        finally:
            for (holder, name), value in zip(self._holders, own, strict=True):
                holder[name] = value


def flat_parameters(model: nn.Module) -> Tensor:
    """Return all parameters of a model, flattened and concatenated to `(P,)`."""
    return torch.cat([p.detach().flatten() for p in model.parameters()])
