"""The encoder-decoder: every pair of cells, reversal, padding, both ends, and its teacher."""

from itertools import product

import pytest
import torch
from torch import Tensor

from rnnlab.errors import ConfigError
from rnnlab.models import Seq2Seq
from rnnlab.models.seq2seq import reverse_real
from rnnlab.models.teacher_forcing import Constant, Exponential, Linear
from rnnlab.spec import Batch, Reals, TaskSpec, Tokens
from rnnlab.state import leaves
from tests.cells.zoo import prefix_mask, same
from tests.dear import dear_but
from tests.models.zoo import CELLS, SOURCE_SPECS, WAYS, B, S, T, by_steps, draw_batch, make_seq2seq

every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
both_ports = pytest.mark.parametrize("ports", SOURCE_SPECS)
TWO = [*product(CELLS, CELLS)]
DEEP = {"num_layers": 2, "initial_state": "learned"}
FREE = {"teacher_forcing": Constant(value=0.0)}


@pytest.mark.parametrize(
    ("encoder", "decoder"),
    dear_but([pair for pair in TWO if "gru" in pair], TWO),
)
def test_every_cell_encodes_for_every_cell(encoder: str, decoder: str) -> None:
    model = make_seq2seq(
        SOURCE_SPECS["tokens"], encoder, decoder, attention="additive", encoder_settings=DEEP
    )
    batch = draw_batch(model.spec)
    outputs, state = model(batch)
    same((outputs, state), by_steps(model, batch))
    outputs.square().sum().backward()
    unused = [name for name, p in model.named_parameters() if p.numel() and p.grad is None]
    assert unused == []


@every_way
@both_ports
def test_padding_the_source_changes_nothing(ports: str, way: dict[str, object]) -> None:
    model = make_seq2seq(SOURCE_SPECS[ports], **way)
    batch = draw_batch(model.spec)
    outputs, _ = model(batch)
    for row, length in enumerate(batch.source_mask.sum(1).tolist()):
        alone = Batch(
            input=batch.input[row : row + 1],
            target=batch.target[row : row + 1],
            mask=batch.mask[row : row + 1],
            source=batch.source[row : row + 1, :length],
        )
        same(model(alone)[0], outputs[row : row + 1])


@every_way
def test_every_real_source_step_is_read_and_no_other(way: dict[str, object]) -> None:
    model = make_seq2seq(SOURCE_SPECS["reals"], **way)
    batch = draw_batch(model.spec)
    batch = batch._replace(source=batch.source.requires_grad_())
    outputs, _ = model(batch)
    (seen,) = torch.autograd.grad(outputs[:, 0].square().sum(), batch.source)
    assert seen[batch.source_mask].any(dim=1).all()
    assert not seen[~batch.source_mask].any()


def test_the_memory_tells_of_what_was_read_up_to_each_step() -> None:
    model = make_seq2seq(SOURCE_SPECS["reals"], **WAYS["bidirectional"])
    batch = draw_batch(model.spec)
    batch = batch._replace(
        source=batch.source.requires_grad_(), source_mask=torch.ones(B, S).bool()
    )
    memory = model.begin(batch).memory
    forward, backward = memory.chunk(2, dim=2)
    for s in range(S):
        (seen,) = torch.autograd.grad(forward[:, s].sum(), batch.source, retain_graph=True)
        assert seen[:, : s + 1].any(dim=2).all()
        assert not seen[:, s + 1 :].any()
        (seen,) = torch.autograd.grad(backward[:, s].sum(), batch.source, retain_graph=True)
        assert seen[:, s:].any(dim=2).all()
        assert not seen[:, :s].any()


# Reversal


@pytest.mark.parametrize("shape", [(), (2,)])
def test_reverse_is_its_own_inverse_and_leaves_padding(shape: tuple[int, ...]) -> None:
    steps, mask = torch.randn(4, S, *shape), prefix_mask([S, 4, 1, 0], S)
    there = reverse_real(steps, mask)
    assert torch.equal(reverse_real(there, mask), steps)
    assert torch.equal(there[~mask], steps[~mask])
    assert torch.equal(there[1, :4], steps[1, :4].flip(0))


def test_a_reversed_source_is_read_last_symbol_first() -> None:
    spec = SOURCE_SPECS["tokens"]
    plain, reverse = make_seq2seq(spec), make_seq2seq(spec, reverse_source=True)
    reverse.load_state_dict(plain.state_dict())
    batch = draw_batch(spec)
    backwards = batch._replace(source=reverse_real(batch.source, batch.source_mask))
    same(reverse(backwards)[0], plain(batch)[0])
    assert not torch.allclose(reverse(batch)[0][0], plain(batch)[0][0])


@pytest.mark.parametrize("attention", ["additive", "dot"])
def test_the_map_shows_the_sources_own_order_when_reversed(attention: str) -> None:
    """An encoder without memory says the same of each step from whichever end it reads."""
    spec = SOURCE_SPECS["reals"]
    plain = make_seq2seq(spec, "taps_one", attention=attention)
    reverse = make_seq2seq(spec, "taps_one", attention=attention, reverse_source=True)
    reverse.load_state_dict(plain.state_dict())
    batch = draw_batch(spec)
    weights = reverse.attend(batch)
    same(weights, plain.attend(batch))
    assert not torch.allclose(weights[0], weights[0].flip(3))


# Attention


@pytest.mark.parametrize("way", [way for way in WAYS.values() if way.get("attention")], ids=str)
def test_the_attention_map_sums_to_one_over_real_steps(way: dict[str, object]) -> None:
    model = make_seq2seq(SOURCE_SPECS["tokens"], **way)
    batch = draw_batch(model.spec)
    weights = model.attend(batch)
    assert weights.shape == (B, 1, 1, T, S)
    weights = weights[:, 0, 0]
    same(weights.sum(2), torch.ones(B, T).double())
    assert not weights.transpose(1, 2)[~batch.source_mask].any()


def test_without_attention_there_is_no_map() -> None:
    model = make_seq2seq(SOURCE_SPECS["tokens"])
    assert model.attend(draw_batch(model.spec)) is None


def test_outputs_with_attention_follow_their_equation() -> None:
    model = make_seq2seq(SOURCE_SPECS["reals"], attention="dot")
    batch = draw_batch(model.spec)
    state = model.begin(batch)
    hidden, _ = model.decoder.unroll(batch.input, state.decoder)
    contexts = model.attend(batch)[:, 0, 0] @ state.memory
    combined = torch.tanh(
        torch.cat([contexts, hidden], dim=2) @ model.combine.weight.T + model.combine.bias
    )
    same(model(batch)[0], combined @ model.readout.weight.T + model.readout.bias)


def test_input_feeding_reads_the_last_context_beside_the_input() -> None:
    model = make_seq2seq(SOURCE_SPECS["reals"], attention="dot", input_feeding=True)
    batch = draw_batch(model.spec)
    state, weights = model.begin(batch), model.attend(batch)[:, 0, 0]
    contexts = weights @ state.memory
    fed = torch.cat([torch.zeros_like(contexts[:, :1]), contexts[:, :-1]], dim=1)
    hidden, _ = model.decoder.cell.unroll(torch.cat([batch.input, fed], dim=2), state.decoder)
    combined = torch.tanh(model.combine(torch.cat([contexts, hidden], dim=2)))
    same(model(batch)[0], model.readout(combined))


def test_the_fixed_vector_is_what_the_encoders_said_last() -> None:
    model = make_seq2seq(SOURCE_SPECS["reals"], **WAYS["bidirectional"])
    batch = draw_batch(model.spec)
    state = model.begin(batch)
    forward, backward = state.memory.chunk(2, dim=2)
    last = torch.stack([forward[0, S - 1], forward[1, 2], forward[2, 0]])
    same(state.context, torch.cat([last, backward[:, 0]], dim=1))
    _, after = model.step(batch.input[:, 0], state)
    same(after.context, state.context)


# Scheduled sampling


def run_free(model: Seq2Seq, batch: Batch) -> Tensor:
    """Begin, and feed back each answer where it was asked for."""
    state, outputs = model.begin(batch), []
    for t, input in enumerate(batch.input.unbind(1)):
        if t:
            answer = outputs[-1]
            if isinstance(model.spec.target, Tokens):
                own, asked = answer.argmax(1), batch.mask[:, t - 1]
            else:
                own = torch.cat([answer, input[:, answer.shape[1] :]], dim=1)
                asked = batch.mask[:, t - 1, None]
            input = torch.where(asked, own, input)
        output, state = model.step(input, state)
        outputs.append(output)
    return torch.stack(outputs, dim=1)


@every_way
@both_ports
def test_at_probability_one_training_is_teacher_forced(ports: str, way: dict[str, object]) -> None:
    model = make_seq2seq(SOURCE_SPECS[ports], **way, teacher_forcing=Linear(steps=9, end=0.0))
    batch = draw_batch(model.spec)
    same(model.forward_training(batch, None, 0), model(batch))


@every_way
@both_ports
def test_at_probability_zero_training_runs_free(ports: str, way: dict[str, object]) -> None:
    model = make_seq2seq(SOURCE_SPECS[ports], **way, teacher_forcing=Linear(steps=9, end=0.0))
    batch = draw_batch(model.spec)
    batch = batch._replace(mask=torch.rand(B, T) < 0.7)
    outputs, _ = model.forward_training(batch, None, 9)
    same(outputs, run_free(model, batch))
    assert not torch.allclose(outputs, model(batch)[0])


def test_the_share_of_right_answers_is_the_probability() -> None:
    model = make_seq2seq(SOURCE_SPECS["tokens"], teacher_forcing=Constant(value=0.25))
    rows, steps, never_answered = 400, 11, 4
    batch = Batch(
        input=torch.full((rows, steps), never_answered),
        target=torch.zeros(rows, steps, dtype=torch.int64),
        mask=torch.ones(rows, steps, dtype=torch.bool),
        source=torch.zeros(rows, 2, dtype=torch.int64),
    )
    read: list[Tensor] = []
    plain_step = model.step
    model.step = lambda input, state: (read.append(input), plain_step(input, state))[1]
    model.forward_training(batch, None, 0)
    told = (torch.stack(read, dim=1) == never_answered).double()
    assert told[:, 0].all()
    assert told[:, 1:].mean().item() == pytest.approx(0.25, abs=0.03)  # 4 standard errors


def test_no_gradient_flows_through_a_fed_back_answer() -> None:
    model = make_seq2seq(SOURCE_SPECS["reals"], **FREE, decoder="taps_one")
    batch = draw_batch(model.spec)
    outputs, _ = model.forward_training(batch, None, 0)
    (slope,) = torch.autograd.grad(outputs[:, -1].sum(), model.readout.bias)
    same(slope, torch.full((2,), float(B)).double())


@pytest.mark.parametrize(
    "schedule", [Constant(value=0.5), Exponential(rate=0.9, end=0.0)], ids=["constant", "decay"]
)
def test_a_schedule_that_would_feed_back_what_no_input_holds_is_refused(schedule) -> None:
    spec = SOURCE_SPECS["reals"]
    silent = TaskSpec(input=spec.input, target=spec.target, source=spec.source, feedback=False)
    make_seq2seq(silent)
    with pytest.raises(ConfigError, match="teacher_forcing must be Constant with value=1"):
        make_seq2seq(silent, teacher_forcing=schedule)


# The initial state and settings


def test_the_batch_clamps_the_encoder() -> None:
    model = make_seq2seq(SOURCE_SPECS["reals"], **WAYS["bidirectional"])
    batch = draw_batch(model.spec)
    values = torch.randn(B, 2).double()
    clamped = model.begin(batch._replace(initial=values))
    start = model.encoder.zero_state(B)
    start[0][:, :2] = values
    expected, _ = model.encoder.unroll(batch.source, start, batch.source_mask)
    forward, backward = clamped.memory.chunk(2, dim=2)
    same(forward, expected)
    same(backward, model.begin(batch).memory.chunk(2, dim=2)[1])


def test_learned_initial_states_of_both_encoders_get_a_gradient() -> None:
    settings = {"initial_state": "learned"}
    model = make_seq2seq(SOURCE_SPECS["reals"], encoder_settings=settings, **WAYS["bidirectional"])
    model(draw_batch(model.spec))[0].square().sum().backward()
    for encoder in (model.encoder, model.backward_encoder):
        assert all(parameter.grad.any() for parameter in encoder.initial)


def test_an_embedding_is_each_sides_own() -> None:
    model = make_seq2seq(
        SOURCE_SPECS["tokens"],
        encoder_settings={"embedding_size": 2},
        decoder_settings={"embedding_size": 3},
    )
    assert model.encoder.embed.weight.shape == (6, 2)
    assert model.decoder.embed.weight.shape == (5, 3)
    assert all(leaf.shape[0] == B for leaf in leaves(model.begin(draw_batch(model.spec))))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"attention": "dot", "attention_size": 3}, "attention_size must be null"),
        ({"attention_size": 3}, "attention_size must be null with attention=none, got 3"),
        ({"input_feeding": True}, "input_feeding=true needs"),
        ({"attention": "dot", "context_every_step": True}, "context_every_step=true needs"),
    ],
)
def test_settings_that_would_do_nothing_are_refused(
    settings: dict[str, object], named: str
) -> None:
    with pytest.raises(ConfigError, match=named):
        make_seq2seq(SOURCE_SPECS["tokens"], **settings)


def test_a_task_without_a_source_is_refused() -> None:
    with pytest.raises(ConfigError, match="a source and a target"):
        make_seq2seq(TaskSpec(input=Reals(1), target=Reals(1)))


def test_a_batch_without_a_source_is_refused() -> None:
    model = make_seq2seq(SOURCE_SPECS["tokens"])
    with pytest.raises(ValueError, match=r"reads Batch\.source"):
        model(draw_batch(model.spec)._replace(source=None))
