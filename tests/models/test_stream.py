"""The stream model: its readout, its teacher, its initial state and its settings."""

import pytest
import torch

from rnnlab.errors import ConfigError
from rnnlab.models.stream import Embed
from rnnlab.spec import Batch, Reals, TaskSpec, Tokens
from rnnlab.state import leaves
from tests.cells.zoo import same
from tests.models.zoo import CELLS, SPECS, B, T, by_steps, draw_batch, make_stream

TAUGHT = {"teacher_forcing": True}
every_cell = pytest.mark.parametrize("cell", CELLS)


def test_readout_is_linear_in_the_hidden_state() -> None:
    model = make_stream(SPECS["tokens"])
    batch = draw_batch(model.spec)
    outputs, _ = model(batch)
    one_hot = torch.nn.functional.one_hot(batch.input, 5).double()
    hidden, _ = model.cell.unroll(one_hot, model.zero_state(B))
    same(outputs, hidden @ model.readout.weight.T + model.readout.bias)


def test_embedding_looks_up_its_rows() -> None:
    model = make_stream(SPECS["tokens"], embedding_size=2)
    batch = draw_batch(model.spec)
    hidden, _ = model.cell.unroll(model.embed.weight[batch.input], model.zero_state(B))
    same(model(batch)[0], model.readout(hidden))


def test_one_hot_is_no_parameter_and_not_in_the_checkpoint() -> None:
    model = make_stream(SPECS["tokens"])
    assert not any("embed" in name for name in model.state_dict())


def test_without_a_target_it_gives_its_features() -> None:
    spec = TaskSpec(input=Tokens(5), target=None)
    model = make_stream(spec)
    outputs, state = model(draw_batch(SPECS["tokens"]))
    assert outputs.shape == (B, T, model.output_size) == (B, T, 4)
    same(outputs[:, -1], leaves(state)[0])


# Autoregression


def series(batch_size: int, steps: int, *, noise: float) -> torch.Tensor:
    """AR(2): x_t = 0.1 + 1.6 x_{t-1} - 0.9 x_{t-2} + noise."""
    x = [torch.randn(batch_size).double(), torch.randn(batch_size).double()]
    for _ in range(steps - 2):
        x.append(0.1 + 1.6 * x[-1] - 0.9 * x[-2] + noise * torch.randn(batch_size).double())
    return torch.stack(x, dim=1)[:, :, None]


def ar_batch(noise: float) -> Batch:
    x = series(4, 40, noise=noise)
    mask = (torch.arange(39) >= 2).expand(4, -1)
    return Batch(input=x[:, :-1], target=x[:, 1:], mask=mask)


def fit_by_least_squares(model, batch: Batch, taps: int) -> None:
    rows, answers = [], []
    for b in range(4):
        for t in range(2, 39):
            window = [batch.input[b, t - k, 0] if t >= k else 0.0 for k in range(taps)]
            rows.append([*window, 1.0])
            answers.append(batch.target[b, t])
    weights = torch.linalg.lstsq(torch.tensor(rows).double(), torch.stack(answers)).solution
    with torch.no_grad():
        model.readout.weight.copy_(weights[:-1].T)
        model.readout.bias.copy_(weights[-1])


def squared_error(model, batch: Batch) -> torch.Tensor:
    return (model(batch)[0] - batch.target)[batch.mask].square().mean()


@pytest.mark.parametrize("taps", [1, 2, 5])
def test_least_squares_is_where_the_linear_model_stops_learning(taps: int) -> None:
    spec = TaskSpec(input=Reals(1), target=Reals(1))
    model, batch = make_stream(spec, "taps", cell_settings={"taps": taps}), ar_batch(noise=0.3)
    fit_by_least_squares(model, batch, taps)
    best = squared_error(model, batch)
    best.backward()
    for parameter in model.parameters():
        assert parameter.grad.abs().max() < 1e-10
        with torch.no_grad():
            parameter += 0.01
        assert squared_error(model, batch) > best
        with torch.no_grad():
            parameter -= 0.01


def test_taps_recover_the_coefficients_newest_first() -> None:
    spec = TaskSpec(input=Reals(1), target=Reals(1))
    model, batch = make_stream(spec, "taps", cell_settings={"taps": 2}), ar_batch(noise=0.0)
    fit_by_least_squares(model, batch, 2)
    same(model.readout.weight, torch.tensor([[1.6, -0.9]]).double())
    same(model.readout.bias, torch.tensor([0.1]).double())
    assert squared_error(model, batch) < 1e-20


# Jordan's teacher


@pytest.mark.parametrize("ports", SPECS)
def test_the_teacher_replaces_the_output_one_step_later(ports: str) -> None:
    model = make_stream(SPECS[ports], "jordan", cell_settings=TAUGHT)
    free = make_stream(SPECS[ports], "jordan")
    free.load_state_dict(model.state_dict())
    batch = draw_batch(model.spec)
    batch = batch._replace(mask=torch.rand(B, T) < 0.5)
    right = batch.target
    if isinstance(model.spec.target, Tokens):
        right = torch.nn.functional.one_hot(right, 4).double()

    outputs, _ = model(batch)
    state = free.begin(batch)
    for t, input in enumerate(batch.input.unbind(1)):
        if t:
            (layer,) = state
            told = batch.mask[:, t - 1, None]
            state = (layer._replace(output=torch.where(told, right[:, t - 1], layer.output)),)
        output, state = free.step(input, state)
        same(outputs[:, t], output)


def test_only_taught_numbers_are_told() -> None:
    model = make_stream(SPECS["reals"], "jordan", cell_settings=TAUGHT)
    batch = draw_batch(model.spec)
    batch = batch._replace(target_mask=torch.tensor([True, False]).expand(B, T, 2))
    nonsense = batch.target.clone()
    nonsense[..., 1] = torch.nan
    outputs = model(batch)[0]
    same(model(batch._replace(target=nonsense))[0], outputs, rtol=0, atol=0)
    assert not torch.equal(model(batch._replace(target=batch.target + 1))[0], outputs)


def test_no_output_sees_its_own_target_or_a_later_one() -> None:
    model = make_stream(SPECS["reals"], "jordan", cell_settings=TAUGHT)
    batch = draw_batch(model.spec)
    batch = batch._replace(target=batch.target.requires_grad_())
    outputs, _ = model(batch)
    for t in range(T):
        (seen,) = torch.autograd.grad(
            outputs[:, t].sum(),
            batch.target,
            retain_graph=True,
            materialize_grads=True,
            allow_unused=True,
        )
        assert not seen[:, t:].any()
        assert t == 0 or seen[:, t - 1].all()


@pytest.mark.parametrize("ports", SPECS)
def test_steps_without_a_teacher_run_free(ports: str) -> None:
    model = make_stream(SPECS[ports], "jordan", cell_settings=TAUGHT)
    free = make_stream(SPECS[ports], "jordan")
    free.load_state_dict(model.state_dict())
    batch = draw_batch(model.spec)
    same(by_steps(model, batch), by_steps(free, batch))
    silent = batch._replace(mask=torch.zeros_like(batch.mask))
    same(model(silent), by_steps(model, batch))


def test_a_teacher_says_so() -> None:
    assert make_stream(SPECS["reals"], "jordan", cell_settings=TAUGHT).reads_targets
    assert not make_stream(SPECS["reals"], "jordan").reads_targets
    assert not make_stream(SPECS["reals"], "gru").reads_targets


def test_a_teacher_below_another_layer_is_refused() -> None:
    with pytest.raises(ConfigError, match="teacher_forcing needs a layer that answers"):
        make_stream(SPECS["reals"], "jordan", cell_settings=TAUGHT, num_layers=2)


# The initial state


@every_cell
def test_a_learned_initial_state_begins_as_the_cell_does_and_gets_a_gradient(cell: str) -> None:
    model = make_stream(SPECS["reals"], cell, initial_state="learned", num_layers=2)
    batch = draw_batch(model.spec)
    model(batch)[0].square().sum().backward()
    state = leaves(model.begin(batch))
    assert len(list(model.initial)) == len(state)
    for parameter, part in zip(model.initial, state, strict=True):
        same(part, parameter.expand_as(part))
        assert parameter.grad is not None
        assert parameter.numel() == 0 or parameter.grad.any()


def test_the_batch_clamps_the_first_units() -> None:
    model = make_stream(SPECS["reals"], "lstm", num_layers=2)
    values = torch.randn(B, 2).double()
    batch = draw_batch(model.spec)._replace(initial=values)
    (low, high) = model.begin(batch)
    same(low.hidden, torch.cat([values, torch.zeros(B, 2).double()], dim=1))
    assert not low.cell.any()
    assert not any(part.any() for part in high)
    assert not torch.equal(model(batch)[0], model(batch._replace(initial=None))[0])


def test_clamping_leaves_the_other_units_as_learned() -> None:
    model = make_stream(SPECS["reals"], "gru", initial_state="learned")
    batch = draw_batch(model.spec)
    (clamped,) = model.begin(batch._replace(initial=torch.zeros(B, 1).double()))
    (learned,) = model.begin(batch)
    assert not clamped[:, 0].any()
    same(clamped[:, 1:], learned[:, 1:], rtol=0, atol=0)


# Settings


def test_an_embedding_of_numbers_is_refused() -> None:
    with pytest.raises(ConfigError, match="embedding_size must be auto or null where inputs are"):
        make_stream(SPECS["reals"], embedding_size=4)


@every_cell
def test_dropout_is_off_in_evaluation_and_on_in_training(cell: str) -> None:
    model = make_stream(SPECS["reals"], cell, dropout=0.5, num_layers=2)
    plain = make_stream(SPECS["reals"], cell, num_layers=2)
    plain.load_state_dict(model.state_dict())
    batch = draw_batch(model.spec)
    assert not torch.equal(model(batch)[0], model(batch)[0])
    same(model.eval()(batch), plain(batch), rtol=0, atol=0)


def test_dropout_never_falls_on_the_answer() -> None:
    model = make_stream(SPECS["reals"], "jordan", dropout=0.9, num_layers=2)
    assert (model(draw_batch(model.spec))[0] != 0).all()


def test_dropout_that_would_do_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="dropout must be 0"):
        make_stream(SPECS["reals"], "jordan", dropout=0.5)


def test_the_horizon_limits_the_gradient() -> None:
    spec = SPECS["reals"]
    batch = draw_batch(spec)
    batch = batch._replace(input=batch.input.requires_grad_())
    for horizon, reached in [(1, 1), (3, 3), (None, T)]:
        outputs, _ = make_stream(spec, "gru", horizon=horizon)(batch)
        (seen,) = torch.autograd.grad(outputs[:, -1].sum(), batch.input)
        assert int(seen.any(dim=2).all(dim=0).sum()) == reached
        assert not seen[:, : T - reached].any()


@pytest.mark.parametrize(("port", "size"), [(Tokens(12), 12), (Tokens(13), 64), (Reals(99), 99)])
def test_auto_embeds_large_vocabularies_alone(port: Tokens | Reals, size: int) -> None:
    embed = Embed(port, "auto")
    assert embed.size == size
    assert embed.one_hot == (port == Tokens(12))
