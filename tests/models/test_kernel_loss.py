"""Losses and gradients of N members by kernels equal those of each member in float64."""

from copy import deepcopy

import pytest
import torch

from rnnlab.cells import Elman
from rnnlab.ensemble.batches import stack
from rnnlab.ensemble.stacked_model import StackedModel
from rnnlab.kernels import request as kernel_request
from rnnlab.models import Model, Stream
from rnnlab.models.answers import answered_steps, can_select_steps, select_steps
from rnnlab.models.kernel_loss import has_kernel_loss, kernel_loss
from rnnlab.spec import Batch, TaskSpec, Tokens
from rnnlab.state import leaves
from rnnlab.tasks.copy import Copy
from tests.cells.zoo import scatter
from tests.dear import dear_but
from tests.marks import needs_kernels
from tests.models.zoo import SPECS, draw, make_stream

pytestmark = needs_kernels

SPEC = SPECS["tokens"]
ACTIVATIONS = ("tanh", "sigmoid", "relu")
CELLS = {
    **{f"elman_{f}": ("elman", {"activation": f}) for f in ACTIVATIONS},
    "gru": ("gru", {}),
    "lstm": ("lstm", {}),
    **{f"taps_{f}": ("taps_mlp", {"activation": f}) for f in ACTIVATIONS},
    **{f"jordan_{f}": ("jordan", {"activation": f}) for f in ACTIVATIONS},
    "jordan_taught": ("jordan", {"teacher_forcing": True}),
}


TASK = Copy(
    "stream", 0, num_symbols=2, length=2, min_length=None, delay=1, answer="recall"
)  # for its loss alone


def draw_batch(rows: int, spec: TaskSpec = SPEC, length: int = 7) -> Batch:
    mask = torch.rand(rows, length) < 0.6
    mask[0, 2], mask[:, 1] = True, False
    return Batch(
        input=draw(spec.input, length, rows), target=draw(spec.target, length, rows), mask=mask
    )


def losses_of(
    stacked: StackedModel,
    flat: torch.Tensor,
    batch: Batch,
    *,
    shared: bool = False,
    steps: list[int] | None = None,
) -> torch.Tensor:
    assert has_kernel_loss(stacked.model, batch)
    return stacked(
        lambda model, own: kernel_loss(model, own, steps=steps)[0],
        flat,
        batch,
        shared=shared,
        steps=steps,
    )


def at_once(
    members: list[Model], batches: list[Batch], steps: list[int] | None
) -> tuple[torch.Tensor, torch.Tensor]:
    stacked = StackedModel([deepcopy(member).float() for member in members])
    flat = stacked.flat.requires_grad_()
    batch = select_steps(stack(batches), steps)
    losses = losses_of(stacked, flat, batch, steps=steps)
    weights = torch.arange(1.0, len(members) + 1)  # one a member, lest gradients go astray
    (grad,) = torch.autograd.grad(losses @ weights, flat)
    return losses, grad / weights[:, None]


def assert_alike(model: Model, batches: list[Batch], steps: list[int] | None = None) -> None:
    members = [scatter(deepcopy(model)) for _ in batches]
    losses, grads = at_once(members, batches, steps)
    for n, (member, batch) in enumerate(zip(members, batches, strict=True)):
        loss = TASK.loss(member(batch)[0], batch)
        parts = torch.autograd.grad(loss, list(member.parameters()), materialize_grads=True)
        grad = torch.cat([part.flatten() for part in parts])
        close = {"check_dtype": False, "rtol": 1e-4, "atol": 1e-6}
        torch.testing.assert_close(losses[n], loss, **close)
        torch.testing.assert_close(grads[n], grad, **close)


@pytest.mark.parametrize("rows", dear_but([1, 47], [1, 16, 20, 47, 64, 131]))
@pytest.mark.parametrize("name", CELLS)
def test_loss_and_gradients(name: str, rows: int) -> None:
    cell, settings = CELLS[name]
    model = make_stream(SPEC, cell, cell_settings=settings)
    assert_alike(model, [draw_batch(rows) for _ in range(3)])


@pytest.mark.parametrize("name", ["elman_tanh", "gru", "lstm", "taps_tanh", "jordan_tanh"])
def test_some_steps_alone(name: str) -> None:
    cell, settings = CELLS[name]
    model = make_stream(SPEC, cell, cell_settings=settings)
    steps = [0, 2, 3, 6]
    batches = [draw_batch(18) for _ in range(2)]
    for batch in batches:
        batch.mask[:, [1, 4, 5]] = False
    assert_alike(model, batches, steps)


@pytest.mark.parametrize("settings", [{"embedding_size": 3}, {"initial_state": "learned"}])
@pytest.mark.parametrize("name", CELLS)
def test_what_stands_before_the_cell_learns_too(name: str, settings) -> None:
    cell, of_cell = CELLS[name]
    model = make_stream(SPEC, cell, cell_settings=of_cell, **settings)
    assert_alike(model, [draw_batch(18) for _ in range(2)])


@pytest.mark.parametrize("horizon", [1, 3, 6, 7])
@pytest.mark.parametrize("name", ["elman_tanh", "gru", "lstm", "jordan_tanh"])
def test_gradients_within_a_horizon(name: str, horizon: int) -> None:
    cell, settings = CELLS[name]
    model = make_stream(SPEC, cell, cell_settings=settings, horizon=horizon)
    assert_alike(model, [draw_batch(18) for _ in range(2)])


@pytest.mark.parametrize("name", ["elman_tanh", "gru", "lstm", "taps_tanh"])
@pytest.mark.parametrize("settings", [{}, {"embedding_size": 3}])
def test_layers_below(name: str, settings) -> None:
    cell, of_cell = CELLS[name]
    model = make_stream(SPEC, cell, cell_settings=of_cell, num_layers=3, **settings)
    assert_alike(model, [draw_batch(18) for _ in range(2)])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("horizon", [None, 2])
@pytest.mark.parametrize("name", CELLS)
def test_one_model_alone(name: str, horizon: int | None, threads: int, monkeypatch) -> None:
    monkeypatch.setattr(kernel_request, "_LEAST_WORK", 0)
    cell, of_cell = CELLS[name]
    if horizon and "taps" in name:
        pytest.skip("their kernel has no horizon")
    model = scatter(make_stream(SPEC, cell, cell_settings=of_cell, horizon=horizon)).float()
    batch = draw_batch(37)
    batch = batch._replace(first=torch.ones(37) > 0)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert has_kernel_loss(model, batch)
        loss, state = kernel_loss(model, batch)
        parts = torch.autograd.grad(2 * loss, list(model.parameters()))
    finally:
        torch.set_num_threads(before)
    twin = deepcopy(model).double()
    output, expected_state = twin(batch)
    expected = TASK.loss(output, batch)
    close = {"check_dtype": False, "rtol": 1e-4, "atol": 2e-6}
    torch.testing.assert_close(loss, expected, **close)
    for part, other in zip(
        parts, torch.autograd.grad(2 * expected, list(twin.parameters())), strict=True
    ):
        torch.testing.assert_close(part, other, **close)
    for leaf, other in zip(leaves(state), leaves(expected_state), strict=True):
        torch.testing.assert_close(leaf, other, **close)


@pytest.mark.parametrize("settings", [{}, {"embedding_size": 3, "num_layers": 2}])
@pytest.mark.parametrize("name", sorted({*CELLS} - {"jordan_taught"}))
def test_the_answered_steps_alone_give_what_all_steps_give(name: str, settings) -> None:
    cell, of_cell = CELLS[name]
    model = scatter(make_stream(SPEC, cell, cell_settings=of_cell, **settings)).float()
    batch = draw_batch(18)._replace(first=torch.ones(18) > 0)
    batch.mask[:, [0, 4, 6]] = False
    steps = answered_steps(batch)
    assert can_select_steps(model)
    assert steps == [2, 3, 5]
    found = []
    for some in (None, steps):
        loss, state = kernel_loss(model, select_steps(batch, some), None, some)
        found.append([loss, *leaves(state), *torch.autograd.grad(loss, list(model.parameters()))])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


def test_a_state_that_nobody_goes_on_from_is_not_made() -> None:
    model = make_stream(SPEC, "lstm").float()
    assert kernel_loss(model, draw_batch(3))[1] is None


def test_other_types_are_read_the_readable_way() -> None:
    model, batch = make_stream(SPEC, "lstm").float(), draw_batch(3)
    assert has_kernel_loss(model, batch)
    assert not has_kernel_loss(model, batch._replace(input=batch.input.int()))
    assert not has_kernel_loss(model, batch._replace(input=batch.input.double()))
    assert not has_kernel_loss(model, batch._replace(target=batch.target.int()))
    assert not has_kernel_loss(model, batch._replace(mask=batch.mask.float()))
    assert not has_kernel_loss(deepcopy(model).double(), batch)


HOOKS = {
    "forward": lambda module: module.register_forward_hook(lambda *_: None),
    "before forward": lambda module: module.register_forward_pre_hook(lambda *_: None),
    "backward": lambda module: module.register_full_backward_hook(lambda *_: None),
    "before backward": lambda module: module.register_full_backward_pre_hook(lambda *_: None),
}


@pytest.mark.parametrize("kind", HOOKS)
def test_hooks_look_on_the_readable_way(kind: str) -> None:
    model, batch = make_stream(SPEC, "taps_mlp").float(), draw_batch(3)
    for module in model.modules():
        handle = HOOKS[kind](module)
        assert not has_kernel_loss(model, batch)
        handle.remove()
    assert has_kernel_loss(model, batch)


@pytest.mark.parametrize("settings", [{"hidden_size": 1}, {"hidden_size": 5}, {"hidden_size": 33}])
@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
def test_sizes_that_no_tile_divides(cell: str, settings) -> None:
    spec = TaskSpec(input=Tokens(11), target=Tokens(13))
    model = make_stream(spec, cell, cell_settings=settings)
    assert_alike(model, [draw_batch(35, spec) for _ in range(2)])


def test_threads_share_the_members_and_change_nothing() -> None:
    model = make_stream(SPEC, "gru")
    members = [scatter(deepcopy(model)) for _ in range(5)]
    batches = [draw_batch(20) for _ in members]
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 8):
            torch.set_num_threads(threads)
            results.append(at_once(members, batches, None))
    finally:
        torch.set_num_threads(before)
    for losses, grads in results[1:]:
        assert torch.equal(losses, results[0][0])
        assert torch.equal(grads, results[0][1])


def test_a_batch_without_answers_has_no_loss() -> None:
    model = make_stream(SPEC, "elman")
    batch = draw_batch(4)
    batch.mask[:] = False
    losses, _ = at_once([model], [batch], None)
    assert losses.isnan().all()


def test_a_net_that_has_diverged_says_so() -> None:
    model = make_stream(SPEC, "elman")
    scatter(model)
    for name, value in (("recurrent_weight", torch.nan), ("bias", torch.inf)):
        broken = deepcopy(model)
        getattr(broken.cell.layers[0], name).data[0] = value
        losses, _ = at_once([model, broken], [draw_batch(4), draw_batch(4)], None)
        assert losses[0].isfinite()
        if name == "recurrent_weight":
            assert losses[1].isnan()


class Halved(Elman):
    """A cell of somebody's own, made from another."""

    def forward(self, input, state):
        hidden, _ = super().forward(input, state)
        return hidden / 2, hidden / 2


def own_cell() -> Stream:
    model = make_stream(SPEC, "elman")
    model.cell.layers[0].__class__ = Halved
    return model


def test_a_cell_made_from_another_is_not_taken_for_it() -> None:
    members = [scatter(own_cell()) for _ in range(2)]
    stacked = StackedModel([deepcopy(member).float() for member in members])
    batches = [draw_batch(5) for _ in members]
    output = stacked(lambda model, own: model(own)[0], stacked.flat, stack(batches), shared=False)
    for n, (member, batch) in enumerate(zip(members, batches, strict=True)):
        close = {"check_dtype": False, "rtol": 1e-4, "atol": 1e-6}
        torch.testing.assert_close(output[n], member(batch)[0].detach(), **close)


@pytest.mark.parametrize(
    "model",
    [
        make_stream(SPEC, "taps"),
        make_stream(SPEC, "taps_mlp", horizon=2),
        make_stream(SPEC, "elman", num_layers=2, horizon=2),
        make_stream(SPEC, "elman", dropout=0.5),
        make_stream(SPEC, "lstm_peepholes"),
        make_stream(SPEC, "jordan", cell_settings={"hidden_size": [4, 3]}),
        own_cell(),
    ],
)
def test_others_have_no_such_way(model: Model) -> None:
    assert not has_kernel_loss(model.float(), draw_batch(4))


def test_one_batch_for_all_is_the_same_batch_for_each() -> None:
    members = [scatter(deepcopy(make_stream(SPEC, "lstm"))).float() for _ in range(3)]
    stacked, batch = StackedModel(members), draw_batch(5)
    shared = losses_of(stacked, stacked.flat, batch, shared=True)
    each = losses_of(stacked, stacked.flat, stack([batch] * 3))
    assert torch.equal(shared, each)
