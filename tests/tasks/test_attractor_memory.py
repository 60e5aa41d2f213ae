"""Patterns, clues and scores of the memory; a Hopfield net by hand recalls what it stores."""

from pathlib import Path
from typing import Any

import pytest
import torch

from rnnlab import train
from rnnlab.errors import ConfigError
from rnnlab.inference.evaluate import evaluate
from rnnlab.spec import Batch, Layout
from rnnlab.tasks import AttractorMemory
from tests.tasks.hopfield import hopfield

SETTINGS: dict[str, Any] = {
    "num_patterns": 3,
    "pattern_size": 20,
    "clamped_bits": None,
    "corruption": "flip",
    "corrupted_share": 0.1,
    "length": 6,
    "answer_last": 2,
    "taught_bits": None,
}


def make(layout: Layout = "stream", seed: int = 0, **settings: Any) -> AttractorMemory:
    return AttractorMemory(layout, seed, **SETTINGS | settings)


def scores(task: AttractorMemory, output: torch.Tensor, batch: Batch) -> dict[str, float]:
    return {name: float(mean.value) for name, mean in task.metrics(output, batch).items()}


def test_patterns_belong_to_the_seed_and_fewer_are_the_first_of_more() -> None:
    assert make("encoder_decoder").symbols == make().symbols
    assert make(seed=1).symbols != make().symbols
    assert make(num_patterns=50).symbols[:3] == make().symbols


def test_patterns_are_distinct_even_where_all_that_there_are_are_stored() -> None:
    all_of_them = make(num_patterns=16, pattern_size=4).symbols
    assert len(set(all_of_them)) == 16


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_targets_are_the_stored_patterns_in_every_split(split: Any) -> None:
    task = make()
    batch = task.sample(split, 0, 50)
    assert {tuple(row) for row in batch.target[:, 0].tolist()} == {
        tuple(row) for row in task.patterns.tolist()
    }
    assert torch.equal(batch.target, batch.target[:, :1].expand(-1, 6, -1))
    assert not batch.input.any()
    assert batch.mask.tolist() == [[False] * 4 + [True] * 2] * 50


def test_a_longer_test_answers_as_many_last_steps() -> None:
    assert make().sample("test", 0, 1, length=9).mask.tolist() == [[False] * 7 + [True] * 2]
    assert make().sample("test", 0, 1, length=1).mask.all()
    assert make(answer_last=None).sample("test", 0, 1, length=9).mask.all()


@pytest.mark.parametrize(("corruption", "bit"), [("flip", -1.0), ("blank", 0.0)])
def test_a_clue_is_its_pattern_with_a_share_of_bits_struck(corruption: str, bit: float) -> None:
    batch = make(corruption=corruption, clamped_bits=7).sample("train", 0, 3000)
    assert batch.initial is not None
    kept = batch.initial * batch.target[:, 0, :7]
    assert set(kept.unique().tolist()) == {bit, 1.0}
    struck = (kept == bit).float()
    assert struck.mean(dim=0).tolist() == pytest.approx([0.1] * 7, abs=0.025)


def test_layouts_hold_one_content() -> None:
    stream, cut = (make(layout).sample("val", 1, 5) for layout in ("stream", "encoder_decoder"))
    assert cut.source is not None
    assert torch.equal(cut.source[:, 0], stream.initial)
    assert torch.equal(cut.target, stream.target)
    assert cut.initial is None


def test_scores_count_bits_and_whole_patterns_at_answered_steps() -> None:
    task = make(pattern_size=4, taught_bits=3)
    batch = task.sample("test", 0, 2)
    output = 0.5 * batch.target
    output[0, 4, 0] *= -1
    output[:, :4] *= -1  # not asked
    output[..., 3] *= -1  # not taught
    found = scores(task, output, batch)
    assert found["accuracy"] == pytest.approx(11 / 12)
    assert found["exact_match"] == 0.5
    assert found["loss"] == pytest.approx((11 * 0.25 + 2.25) / 12)


@pytest.mark.parametrize("corruption", ["flip", "blank"])
@pytest.mark.parametrize("clamped_bits", [None, 2])
def test_the_floor_is_what_each_bit_tells_of_itself(
    corruption: str, clamped_bits: int | None
) -> None:
    settings = {"pattern_size": 4, "corrupted_share": 0.3, "taught_bits": 3}
    task = make(corruption=corruption, clamped_bits=clamped_bits, **settings)
    batch = task.sample("train", 0, 40_000)
    assert batch.initial is not None
    best = torch.zeros_like(batch.target)
    for bit in range(3):
        clue = batch.initial[:, bit] if bit < batch.initial.shape[1] else torch.zeros(40_000)
        for said in clue.unique():
            rows = clue == said
            best[rows, :, bit] = batch.target[rows, 0, bit].mean()
    found = scores(task, best, batch)
    assert found["loss"] == pytest.approx(task.floor["loss"], abs=0.01)
    assert found["accuracy"] == pytest.approx(task.floor["accuracy"], abs=0.01)


def test_a_hopfield_net_recalls_a_few_patterns_and_not_many() -> None:
    def recall(num_patterns: int) -> float:
        task = make(num_patterns=num_patterns, pattern_size=100, length=20)
        found = evaluate(hopfield(task), task, [task.sample("test", 0, 200)]).compute()
        return found["exact_match"]

    assert recall(5) > 0.98
    assert recall(40) < 0.1  # far above 0.14 patterns a unit (Amit et al., 1985)


def test_a_person_sees_clue_answer_and_pattern_aligned() -> None:
    task = make(pattern_size=4, num_patterns=1, clamped_bits=3, corruption="blank")
    batch = task.sample("test", 0, 1)._replace(initial=torch.tensor([[1.0, 0.0, -1.0]]))
    batch.target[:] = torch.tensor([1.0, 1.0, -1.0, -1.0])
    answer = 0.3 * batch.target * torch.tensor([1, -1, 1, 1])
    assert task.show(batch, answer).splitlines() == [
        "clue     +.-",
        "answer   +---   1 wrong",
        "pattern  ++--",
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"num_patterns": 17, "pattern_size": 4},
            r"num_patterns must be at most 2 \*\* pattern_size=16, got 17",
        ),
        ({"clamped_bits": 21}, "clamped_bits must be at most pattern_size=20, got 21"),
        ({"taught_bits": 21}, "taught_bits must be at most pattern_size=20, got 21"),
        ({"answer_last": 7}, "answer_last must be at most length=6, got 7"),
    ],
)
def test_settings_that_do_not_fit_are_named(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(**settings)


@pytest.mark.slow
def test_an_elman_network_learns_eight_attractors(tmp_path: Path) -> None:
    """Recall of whole patterns with a fifth of the bits wrong, long after training's 15 steps."""
    run = train(["experiment=attractor_memory_elman", f"output_dir={tmp_path}"])
    experiment = run.open([])
    batch = experiment.task.sample("test", 0, 500, length=1000)
    assert evaluate(experiment.model, experiment.task, [batch]).compute()["exact_match"] > 0.9
