"""Gradients through time are those of Jacobians multiplied, and nothing notices the look."""

import math

import pytest
import torch

from rnnlab.analysis.probe.gradients import (
    GradientDecay,
    decay,
    effective_horizon,
    evenly_spaced,
    flow,
    gradient_through_time,
    reach,
    slope,
    spectra,
    top_part,
)
from rnnlab.analysis.probe.system import systems, traces
from rnnlab.models.base import Model
from rnnlab.spec import Batch, TaskSpec
from rnnlab.tasks.base import Task
from tests.models.zoo import (
    CELLS,
    SOURCE_SPECS,
    SPECS,
    WAYS,
    T,
    draw_batch,
    make_seq2seq,
    make_stream,
)


class Given(Task):
    """Whatever the batch says."""

    def __init__(self, spec: TaskSpec) -> None:
        super().__init__("stream", 0)
        self.spec = spec

    def sample(self, split, index, batch_size, *, length=None):
        raise NotImplementedError

    def show(self, batch, output):
        raise NotImplementedError


def only_last(batch: Batch) -> Batch:
    mask = torch.zeros_like(batch.mask)
    mask[:, -1] = True
    return batch._replace(mask=mask)


def linear(recurrent: torch.Tensor, steps: int) -> tuple[Model, Batch]:
    """A relu Elman network that stays positive is linear: h_t = U h_{t-1} + W x_t."""
    model = make_stream(
        SPECS["reals"],
        "elman",
        cell_settings={"activation": "relu", "hidden_size": len(recurrent)},
    )
    (cell,) = model.cell.layers
    with torch.no_grad():
        cell.input_weight.abs_()
        cell.recurrent_weight.copy_(recurrent)
        cell.bias.fill_(0.1)
    batch = draw_batch(SPECS["reals"])
    inputs = torch.rand(3, steps, 3, dtype=torch.float64)
    target = torch.randn(3, steps, 2, dtype=torch.float64)
    mask = torch.ones(3, steps, dtype=torch.bool)
    return model, only_last(batch._replace(input=inputs, target=target, mask=mask))


def test_in_a_linear_net_the_log_slope_of_the_decay_is_the_log_of_the_spectral_radius() -> None:
    positive = torch.rand(6, 6, dtype=torch.float64)
    normal = positive / torch.linalg.eigvals(positive).abs().max()
    nonnormal = torch.tensor([[1.0, 5.0, 0.0], [0.0, 0.6, 5.0], [0.0, 0.0, 0.3]]).double()
    for matrix, wanted in ((normal, 0.8), (normal, 1.1), (nonnormal, 0.9)):
        model, batch = linear(matrix * wanted, steps=60)
        seen = decay(flow(model, Given(model.spec), batch, 1)["network"]["hidden"])
        assert seen.distances.tolist() == list(range(60))
        assert slope(seen) == pytest.approx(math.log(wanted), abs=1e-5)


def test_every_step_scales_the_gradient_of_a_scaled_rotation_alike() -> None:
    rotation = torch.eye(5, dtype=torch.float64).roll(1, 0)
    model, batch = linear(0.9 * rotation, steps=30)
    batch = batch._replace(mask=torch.ones_like(batch.mask))
    seen = decay(flow(model, Given(model.spec), batch, 30)["network"]["hidden"])
    torch.testing.assert_close(seen.shares, 0.9 ** seen.distances.double())
    assert slope(seen) == pytest.approx(math.log(0.9))


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("elman", "hidden"),
        ("gru", "hidden"),
        ("lstm", "hidden"),
        ("lstm_peepholes", "hidden"),
        ("jordan", "output"),
    ],
)
def test_the_flow_is_the_product_of_the_step_jacobians(name: str, part: str) -> None:
    model = make_stream(SPECS["reals"], name)
    batch = draw_batch(SPECS["reals"])
    batch.mask[0, 1] = False
    ((system,), (trace,)) = systems(model).values(), traces(model, batch).values()
    seen = flow(model, Given(model.spec), batch, T)["network"][part]
    states = system.run(trace.inputs, trace.start)
    units = dict(system.parts)[part]
    weight = model.readout.weight if name != "jordan" else torch.eye(2, dtype=torch.float64)
    for t in range(T):
        error = 2 * (model(batch)[0] - batch.target)[:, t] / 2
        gradient = torch.zeros_like(states[:, 0])
        gradient[:, units] = error @ weight
        for s in range(t, -1, -1):
            norms = gradient[:, units].norm(dim=1)
            norms[~batch.mask[:, t]] = torch.nan
            torch.testing.assert_close(seen.norms[:, t, s], norms, equal_nan=True)
            if s:
                jacobian = system.jacobian(trace.inputs[:, s], states[:, s - 1])
                gradient = (gradient[:, None] @ jacobian)[:, 0]
        assert seen.norms[:, t, t + 1 :].isnan().all()


def make(kind: str) -> Model:
    if kind in WAYS:
        return make_seq2seq(SOURCE_SPECS["tokens"], "lstm", "gru", **WAYS[kind])
    return make_stream(SPECS["tokens"], kind, num_layers=2, dropout=0.5)


@pytest.mark.parametrize("kind", [*CELLS, *WAYS])
def test_one_backward_pass_says_the_same_of_one_answer(kind: str) -> None:
    model = make(kind)
    batch = only_last(draw_batch(model.spec))
    task = Given(model.spec)
    flows, through = flow(model, task, batch, 9), gradient_through_time(model, task, batch)
    assert list(flows) == list(through) == list(systems(model))
    for name, system in systems(model).items():
        assert list(flows[name]) == list(through[name]) == [part.name for part in system.parts]
        assert top_part(system) in through[name]
        for part, seen in flows[name].items():
            assert seen.answers.tolist() == [T - 1]
            torch.testing.assert_close(seen.norms.nanmean(0)[0], through[name][part])
            assert seen.steps[-1] == (T - 1 if name in ("network", "decoder") else -1)


def settings(model: Model) -> dict[str, tuple]:
    """What an observation borrows from each module: its mode, its unrolling, its hooks."""
    return {
        name: (
            m.training,
            getattr(m, "fast", None),
            getattr(m, "horizon", None),
            len(m._forward_hooks),
            len(m._forward_pre_hooks),
            set(vars(m)) - {"fast"},
        )
        for name, m in model.named_modules()
    }


@pytest.mark.parametrize("kind", [*CELLS, *WAYS])
def test_a_look_disturbs_nothing(kind: str) -> None:
    model = make(kind).train()
    model.readout.eval()  # what stands apart stays apart
    for module in model.modules():
        if hasattr(module, "horizon"):
            module.horizon = 2
    batch = draw_batch(model.spec)
    random = torch.get_rng_state()
    before = settings(model)
    with torch.no_grad():
        first = gradient_through_time(model, Given(model.spec), batch)
        flow(model, Given(model.spec), batch, 2)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(random, torch.get_rng_state())
    assert before == settings(model)
    again = gradient_through_time(model.eval(), Given(model.spec), batch)
    for name, parts in first.items():
        for part, norms in parts.items():  # dropout took no part
            torch.testing.assert_close(norms, again[name][part])


@pytest.mark.parametrize("way", WAYS)
def test_padding_changes_nothing(way: str) -> None:
    model, spec = make(way), SOURCE_SPECS["tokens"]
    batch = draw_batch(spec)
    together = flow(model, Given(spec), batch, T)
    for row, length in enumerate(batch.source_mask.sum(1).tolist()):
        one = Batch._make(None if part is None else part[row : row + 1] for part in batch)
        one = one._replace(source=one.source[:, :length], source_mask=None)
        alone = flow(model, Given(spec), one, T)
        for name, parts in alone.items():
            for part, seen in parts.items():
                here = together[name][part]
                there = here.norms[row, :, here.norms.shape[2] - len(seen.steps) :]
                torch.testing.assert_close(there, seen.norms[0], equal_nan=True)
                assert here.steps[-len(seen.steps) :].tolist() == seen.steps.tolist()
                assert here.norms[row, :, : -len(seen.steps)].isnan().all()


def test_gradient_reaches_as_far_as_the_taps() -> None:
    model = make_stream(SPECS["reals"], "taps")
    batch = draw_batch(SPECS["reals"])
    curve = decay(flow(model, Given(model.spec), batch, T)["network"]["taps"])
    assert (curve.shares > 0).tolist() == [False, True, True, False, False]
    assert reach(curve, 0.01) == 2
    nothing = decay(
        flow(make_stream(SPECS["reals"], "taps_one"), Given(model.spec), batch, T)["network"][
            "taps"
        ]
    )
    assert reach(nothing, 0.01) is None
    assert math.isnan(effective_horizon(nothing))
    assert math.isnan(slope(nothing))


def test_the_effective_horizon_is_the_mean_distance_of_the_gradient() -> None:
    distances = torch.arange(400)
    fading = GradientDecay(distances, 0.9 ** distances.double())
    assert effective_horizon(fading) == pytest.approx(0.9 / 0.1)
    assert reach(fading, 0.01) == 43  # 0.9^43 = 0.0108
    assert slope(fading) == pytest.approx(math.log(0.9))
    even = GradientDecay(torch.arange(9), torch.ones(9))
    assert effective_horizon(even) == 4
    assert slope(even) == 0


def test_spectra_of_a_linear_step_are_those_of_its_matrix() -> None:
    recurrent = torch.rand(6, 6, dtype=torch.float64)
    model, batch = linear(recurrent, steps=4)
    ((system,), (trace,)) = systems(model).values(), traces(model, batch).values()
    found = spectra(system, trace, torch.tensor([0, 2]), torch.tensor([0, 3]))
    radius = torch.linalg.eigvals(recurrent).abs().max()
    torch.testing.assert_close(found.radius, radius.expand(2))
    torch.testing.assert_close(found.singular, torch.linalg.svdvals(recurrent).expand(2, -1))


def test_too_many_are_spread_evenly_and_the_last_is_one() -> None:
    assert evenly_spaced(torch.arange(7), 3).tolist() == [0, 3, 6]
    assert evenly_spaced(torch.arange(7), 1).tolist() == [6]
    assert evenly_spaced(torch.arange(3), 3).tolist() == [0, 1, 2]
