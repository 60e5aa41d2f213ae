"""What every model owes the rest, over every cell."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap

from rnnlab.cells import readable
from rnnlab.models import Model
from rnnlab.spec import Batch
from tests.cells.zoo import same
from tests.models.zoo import (
    CELLS,
    POSITIONS,
    SOURCE_SPECS,
    SPECS,
    WAYS,
    T,
    by_steps,
    changed,
    draw_batch,
    make_seq2seq,
    make_stream,
    make_transformer,
)

Make = Callable[[], Model]


def models() -> dict[str, Make]:
    """Every cell in a stream and an encoder-decoder, every way of joining them, Transformers."""
    found: dict[str, Make] = {}
    full = {"num_layers": 2, "initial_state": "learned", "horizon": 2, "embedding_size": 3}
    for cell in CELLS:
        for ports, spec in SPECS.items():
            found[f"stream-{ports}-{cell}"] = partial(make_stream, spec, cell)
        found[f"stream-all_settings-{cell}"] = partial(make_stream, SPECS["tokens"], cell, **full)
        for ports, spec in SOURCE_SPECS.items():
            make = partial(make_seq2seq, spec, cell, cell, attention="dot")
            found[f"seq2seq-{ports}-{cell}"] = make
    for ports, spec in SOURCE_SPECS.items():
        for name, way in WAYS.items():
            found[f"seq2seq-{ports}-{name}"] = partial(make_seq2seq, spec, **way)
    for positions in POSITIONS:
        for ports, spec in [*SPECS.items(), *SOURCE_SPECS.items()]:
            make = partial(make_transformer, spec, positions=positions)
            kind = "transformer" if spec.source is None else "transformer_seq2seq"
            found[f"{kind}-{ports}-{positions}"] = make
    return found


def is_quick(name: str) -> bool:
    """Whether the quick tests try a model: each cell, way and position once or twice."""
    kind, ports, part = name.split("-")
    if part in ("gru", "rotary"):
        return True
    return ports in ("all_settings", "reals") if kind == "stream" else ports == "tokens"


MODELS = models()
every_model = pytest.mark.parametrize(
    "make",
    [
        pytest.param(make, id=name, marks=[] if is_quick(name) else pytest.mark.thorough)
        for name, make in MODELS.items()
    ],
)


@every_model
def test_forward_equals_iterated_steps(make: Make) -> None:
    model = make()
    batch = draw_batch(model.spec)
    outputs, state = model(batch)
    assert outputs.shape == (*batch.input.shape[:2], model.spec.target.size)
    same((outputs, state), by_steps(model, batch))


@every_model
def test_forward_may_be_cut_anywhere_and_joined(make: Make) -> None:
    model = make()
    batch = draw_batch(model.spec)
    whole = model(batch)
    for cut in range(1, T):
        first, second = (
            batch._replace(input=batch.input[:, part], target=None, mask=batch.mask[:, part])
            for part in (slice(cut), slice(cut, None))
        )
        begun, state = model(first)
        ended, state = model(second, state)
        same((torch.cat([begun, ended], dim=1), state), whole)


@every_model
def test_outputs_do_not_see_later_inputs_nor_any_target(make: Make) -> None:
    model = make()
    batch = draw_batch(model.spec)
    outputs, _ = model(batch)
    for t in range(T):
        later = torch.arange(T) > t
        mixed = changed(batch.input, model.spec.input)
        mixed = torch.where(later.view(-1, *([1] * (mixed.dim() - 2))), mixed, batch.input)
        other, _ = model(
            batch._replace(input=mixed, target=changed(batch.target, model.spec.target))
        )
        same(other[:, : t + 1], outputs[:, : t + 1], rtol=0, atol=1e-15)


@every_model
def test_outputs_see_their_own_input(make: Make) -> None:
    model = make()
    batch = draw_batch(model.spec)
    mixed = batch.input.clone()
    mixed[:, -1] = changed(mixed[:, -1], model.spec.input)
    outputs, others = model(batch)[0], model(batch._replace(input=mixed))[0]
    assert (outputs[:, -1] != others[:, -1]).any(dim=1).all()


@every_model
def test_vmap_over_stacked_parameters_equals_the_members(make: Make) -> None:
    members = [make() for _ in range(3)]
    base = members[0]
    batch = draw_batch(base.spec)
    parameters, buffers = stack_module_state(members)

    def run(parameters: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
        return functional_call(base, (parameters, buffers), (batch,))[0]

    def score(parameters: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
        return run(parameters, buffers).square().sum()

    with readable(base):
        outputs = vmap(run)(parameters, buffers)
        slopes = vmap(grad(score))(parameters, buffers)

    for index, member in enumerate(members):
        alone, _ = member(batch)
        same(outputs[index], alone)
        alone.square().sum().backward()
        for key, parameter in member.named_parameters():
            own = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            same(slopes[key][index], own)


@every_model
def test_a_batch_of_one_is_its_row_of_the_batch(make: Make) -> None:
    model = make()
    batch = draw_batch(model.spec)
    outputs, _ = model(batch)
    row = Batch(*(part if part is None else part[1:2] for part in batch))
    same(model(row)[0], outputs[1:2])
