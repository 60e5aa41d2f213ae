"""Maps of attention against maps made by hand, and what tasks know against their own data."""

import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from rnnlab.analysis.attention import Attention, align, entropy, free_reading
from rnnlab.experiment.experiment import Experiment
from rnnlab.inference.generate import free_answers, free_run
from rnnlab.spec import Tokens
from tests.cells.zoo import scatter
from tests.small_runs import COPY, SMALL, assemble, tiny

DEFAULTS = {"answers": "right", "num_maps": 2, "num_sequences": 5, "length": None}
SEQ2SEQ = ["model=seq2seq", *(f"model.{p}.cell.hidden_size=6" for p in ("encoder", "decoder"))]
DOT = [*SEQ2SEQ, "model.attention=dot"]


def build(*words: str) -> Experiment:
    experiment = assemble([*words, *SMALL])
    scatter(experiment.model, 1.0).eval()
    return experiment


def test_entropy_is_that_of_even_and_of_single_weights() -> None:
    weights = torch.tensor([[0.25] * 4, [0.5, 0.5, 0, 0], [0, 1.0, 0, 0]])
    assert entropy(weights).tolist() == pytest.approx([math.log(4), math.log(2), 0])


def test_maps_made_by_hand_are_as_right_as_they_are() -> None:
    weights = torch.tensor([[[0.7, 0.2, 0.1], [0.1, 0.2, 0.7], [0.3, 0.4, 0.3], [0.0, 1.0, 0.0]]])
    right = torch.tensor([[[1, 0, 0], [0, 1, 0], [1, 0, 1], [0, 0, 0]]]).bool()
    real = torch.ones(1, 3, dtype=torch.bool)
    found = align(weights, right, torch.ones(1, 4, dtype=torch.bool), real)
    assert found.answers == 3  # of the last one nobody knows
    assert found.accuracy == pytest.approx(1 / 3)
    assert found.mass == pytest.approx((0.7 + 0.2 + 0.6) / 3)
    assert found.chance == pytest.approx((1 + 1 + 2) / 9)
    later = {-3: 0, -2: 0, -1: 1 / 3, 0: 1 / 3, 1: 2 / 3, 2: 0, 3: 0}
    assert found.shifted == pytest.approx(later)
    unasked = align(weights, right, torch.tensor([[True, False, False, False]]), real)
    assert (unasked.answers, unasked.accuracy) == (1, 1)


@pytest.mark.parametrize("shift", [0, 2])
def test_one_hot_maps_on_the_truth_are_right_at_their_shift(shift: int) -> None:
    steps = torch.arange(4)
    weights = F.one_hot(steps + shift, 8).float().expand(3, -1, -1)
    right = F.one_hot(steps, 8).bool().expand(3, -1, -1)
    mask, real = torch.ones(3, 4, dtype=torch.bool), torch.ones(3, 8, dtype=torch.bool)
    found = align(weights, right, mask, real)
    assert [at for at, share in found.shifted.items() if share == 1] == [shift]


def test_attention_that_hears_nothing_is_spread_over_real_steps_alone() -> None:
    experiment = build(*DOT, "task=addition")
    with torch.no_grad():
        experiment.model.attention.key.weight.zero_()
    found = Attention(**DEFAULTS).analyze(experiment).numbers
    assert found["entropy_nats"] == pytest.approx(found["entropy_uniform_nats"])
    assert found["attended_steps"] == pytest.approx(found["source_steps"])
    assert found["alignment"]["mass"] == pytest.approx(found["alignment"]["chance"])


@pytest.mark.parametrize("task", ["copy", "copy_reverse", "copy_repeat"])
def test_a_copied_symbol_stands_where_the_task_says(task: str) -> None:
    made = build(*DOT, f"task={task}", "task.length=5", "task.delay=2").task
    batch = made.sample("test", 0, 4)
    right = made.alignment(batch)
    assert right.shape == (*batch.mask.shape, batch.source.shape[1])
    assert right.sum(2).eq(1).all()
    torch.testing.assert_close(batch.source.gather(1, right.int().argmax(2)), batch.target)


@pytest.mark.parametrize("order", ["most_significant_first", "least_significant_first"])
def test_digits_add_up_to_the_answer_but_for_the_carry(order: str) -> None:
    task = build(*DOT, "task=addition", "task.length=3", f"task.answer_order={order}").task
    batch = task.sample("test", 0, 200)
    right = task.alignment(batch)
    known = right.any(dim=2)
    digits = batch.source - task.num_specials
    total = (right * digits[:, None]).sum(2)
    carried = (batch.target - task.num_specials - total)[known] % 10
    assert set(carried.tolist()) == {0, 1}
    assert not (right & (digits == 10)[:, None]).any()  # the plus
    assert not right[batch.target == task.end].any()
    unknown = batch.mask & ~known & (batch.target != task.end)
    assert set((batch.target - task.num_specials)[unknown].tolist()) == {1}  # first carries
    assert unknown.sum(1).max() == 1


def test_columns_and_marked_steps_are_known() -> None:
    task = build(*DOT, "task=addition_binary").task
    batch = task.sample("test", 0, 50)
    total = (task.alignment(batch).float() @ batch.source).sum(2)
    assert total.shape == batch.target.shape
    assert set(((batch.target - total) % 2).unique().tolist()) == {0, 1}  # with the carry
    assert total[:, 0].remainder(2).equal(batch.target[:, 0].float())  # without
    task = build(*DOT, "task=addition_marked").task
    batch = task.sample("test", 0, 50)
    marked = task.alignment(batch).float() @ batch.source[..., :1]
    torch.testing.assert_close(marked, batch.target)


def test_a_stream_and_a_translation_say_nothing(tmp_path: Path) -> None:
    for words in (tiny(tmp_path), ["model=elman", "task=addition"], [*DOT, "task=translation"]):
        task = assemble(words).task
        assert task.alignment(task.sample("test", 0, 2)) is None


def test_maps_are_the_models_own() -> None:
    experiment = build(*DOT, *COPY)
    found = Attention(**DEFAULTS).analyze(experiment)
    batch = experiment.task.sample("test", 0, 5)
    weights = experiment.model.attend(batch)[:, 0, 0]
    for row, drawn in enumerate(found.numbers["maps"]):
        torch.testing.assert_close(torch.from_numpy(drawn["weights"]), weights[row])
        assert drawn["answers"] == experiment.task.labels(batch.target[row])
        assert drawn["source"] == experiment.task.labels(batch.source[row])
    assert len(found.tables[""]) == 1 + 2 * 3 * 4


def test_padding_is_in_no_map() -> None:
    found = Attention(**DEFAULTS).analyze(build(*DOT, "task=addition"))
    for drawn in found.numbers["maps"]:
        assert "<pad>" not in drawn["answers"] + drawn["source"]
        assert drawn["weights"].sum(1) == pytest.approx(1)


@pytest.mark.parametrize("words", [["task=addition"], ["task=oscillation"], COPY])
def test_running_free_the_decoder_reads_its_own_answers(words: list[str]) -> None:
    experiment = build(*DOT, *words, "model.input_feeding=true")
    model, task = experiment.model, experiment.task
    batch = task.sample("test", 0, 5)
    outputs, answers = free_run(model, batch), free_answers(model, batch)
    read, said = free_reading(model, batch)
    torch.testing.assert_close(said, answers)
    torch.testing.assert_close(model(read)[0], outputs)
    found = Attention(**DEFAULTS | {"answers": "own"}).analyze(experiment)
    if isinstance(model.spec.target, Tokens):
        wanted = task.labels(answers[0][batch.mask[0]])
        assert found.numbers["maps"][0]["answers"] == wanted


def test_models_without_attention_are_refused(tmp_path: Path) -> None:
    attention = Attention(**DEFAULTS)
    for words, said in ((tiny(tmp_path), "without encoder"), ([*SEQ2SEQ, *COPY], "attention=none")):
        experiment = assemble(words)
        assert said in attention.refusal(experiment.model, experiment.task)
    experiment = assemble([*DOT, *COPY])
    assert attention.refusal(experiment.model, experiment.task) is None


@pytest.mark.parametrize(
    "words",
    [
        ["task=translation"],
        ["task=oscillation", "task.eval_periods=3", "model.input_feeding=true"],
        ["task=addition_marked", "model.bidirectional=true"],
        ["task=translation", "model=transformer_seq2seq"],
        ["task=oscillation", "task.eval_periods=3", "model=transformer"],
    ],
)
def test_maps_can_be_drawn(words: list[str]) -> None:
    pytest.importorskip("matplotlib")
    first = [] if words[-1].startswith("model=") else DOT
    found = Attention(**DEFAULTS | {"num_maps": 3}).analyze(build(*first, *words))
    for picture in found.pictures.values():
        picture.draw().draw_without_rendering()


HEADS = ["model.hidden_size=8", "model.num_layers=2", "model.num_heads=2"]


def test_each_head_of_each_layer_of_a_transformer_is_looked_at() -> None:
    experiment = build("model=transformer_seq2seq", *HEADS, *COPY)
    found = Attention(**DEFAULTS).analyze(experiment)
    batch = experiment.task.sample("test", 0, 5)
    weights = experiment.model.attend(batch)
    assert weights.shape[1:3] == (2, 2)
    torch.testing.assert_close(weights.sum(4), torch.ones(weights.shape[:4]))
    right = experiment.task.alignment(batch)
    for n, head in enumerate(found.numbers["heads"]):
        assert (head["layer"], head["head"]) == (n // 2 + 1, n % 2 + 1)
        own = weights[:, n // 2, n % 2]
        expected = align(own.detach(), right, batch.mask, batch.source_mask)
        assert head["alignment"] == expected._asdict()
    for n, drawn in enumerate(found.numbers["maps"]):
        sequence, layer, head = n // 4, n // 2 % 2, n % 2
        assert (drawn["sequence"], drawn["layer"], drawn["head"]) == (sequence, layer + 1, head + 1)
        torch.testing.assert_close(
            torch.from_numpy(drawn["weights"]), weights[sequence, layer, head]
        )
    assert list(found.pictures) == ["", "sequence_1"]
    assert sum("layer 2 head 1: " in line for line in found.lines) == 1


def test_a_transformer_without_encoder_attends_to_its_inputs() -> None:
    experiment = build("model=transformer", *HEADS, *COPY)
    found = Attention(**DEFAULTS).analyze(experiment)
    batch = experiment.task.sample("test", 0, 5)
    weights = experiment.model.attend(batch)
    assert weights.shape[3:] == (batch.input.shape[1],) * 2
    assert not weights.triu(1).any()
    drawn = found.numbers["maps"][0]
    assert drawn["source"] == experiment.task.labels(batch.input[0])
    with torch.no_grad():
        for layer in experiment.model.layers:
            layer.attention.query.weight.zero_()
            layer.attention.query.bias.zero_()
    even = Attention(**DEFAULTS).analyze(experiment).numbers
    for head in even["heads"]:
        assert head["entropy_nats"] == pytest.approx(even["entropy_uniform_nats"])


def test_what_a_transformer_begins_with_is_in_no_map() -> None:
    experiment = build("model=transformer", *HEADS, "task=oscillation_clamped")
    batch = experiment.task.sample("test", 0, 3)
    steps = batch.input.shape[1]
    assert experiment.model.attend(batch).shape == (3, 2, 2, steps, steps)
