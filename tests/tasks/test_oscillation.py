import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from rnnlab.cells import Cell
from rnnlab.errors import ConfigError
from rnnlab.inference.generate import free_run
from rnnlab.models import Stream
from rnnlab.spec import SPLITS, Layout, Reals
from rnnlab.tasks.curves import CURVES
from rnnlab.tasks.oscillation import Oscillation
from rnnlab.tasks.oscillation_clamped import OscillationClamped
from tests.models import zoo

LAYOUTS: list[Layout] = ["stream", "encoder_decoder"]
SMOOTH = [name for name, curve in CURVES.items() if not curve.discrete]
SETTINGS: dict[str, Any] = {
    "curve": "figure_eight",
    "period_steps": None,
    "max_period_steps": None,
    "random_phase": True,
    "length": 30,
    "eval_periods": 20,
    "taught_outputs": None,
}


def make(layout: Layout = "stream", seed: int = 0, **settings: Any) -> Oscillation:
    given = SETTINGS | {"cue_steps": 5, "input_noise": 0.0} | settings
    return Oscillation(layout, seed, **given)


def make_clamped(layout: Layout = "stream", **settings: Any) -> OscillationClamped:
    given = SETTINGS | {"clamped_points": 2, "initial_noise": 0.0} | settings
    return OscillationClamped(layout, 0, **given)


def scores(task: Oscillation, output: Tensor, batch: Any) -> dict[str, float]:
    return {name: float(mean.value) for name, mean in task.metrics(output, batch).items()}


@pytest.mark.parametrize("curve", CURVES)
def test_target_is_the_next_input(curve: str) -> None:
    batch = make(curve=curve).sample("train", 0, 4)
    size = batch.target.shape[2]
    torch.testing.assert_close(batch.input[:, 1:, :size], batch.target[:, :-1])
    assert batch.mask.sum(1).tolist() == [30] * 4
    assert batch.mask[0].tolist() == [False] * 4 + [True] * 30


def test_layouts_hold_one_content() -> None:
    stream, cut = (make(layout, curve="gaits").sample("val", 1, 3, length=8) for layout in LAYOUTS)
    assert cut.source is not None
    torch.testing.assert_close(cut.source, stream.input[:, :5])
    torch.testing.assert_close(cut.input, stream.input[:, 4:])
    torch.testing.assert_close(cut.target, stream.target[:, 4:])
    assert bool(cut.mask.all())


def test_evaluation_runs_as_many_periods_as_said() -> None:
    assert make().sample("train", 0, 2).mask.sum(1).tolist() == [30, 30]
    assert make().sample("test", 0, 2).mask.sum(1).tolist() == [500, 500]
    assert make(max_period_steps=40).sample("val", 0, 1).mask.sum() == 800
    assert make(curve="four_corners").sample("val", 0, 1).mask.sum() == 80


def test_noise_is_on_the_inputs_of_training_alone() -> None:
    noisy, clean = make(input_noise=0.1), make()
    for split, share in (("train", 0.1), ("val", 0.0)):
        one, other = (t.sample(split, 0, 64, length=30) for t in (noisy, clean))
        torch.testing.assert_close(one.target, other.target)
        assert (one.input - other.input).std().item() == pytest.approx(share, rel=0.05)


def test_without_random_phase_all_begin_at_phase_zero() -> None:
    batch = make(random_phase=False, curve="sine").sample("train", 0, 3)
    assert batch.input[:, 0].tolist() == [[0.0]] * 3


def test_each_sequence_has_its_own_frequency() -> None:
    batch = make(curve="sine", period_steps=10, max_period_steps=40).sample("train", 0, 200)
    wave = batch.target[..., 0].double()
    cosine = ((wave[:, :-2] + wave[:, 2:]) * wave[:, 1:-1]).sum(1) / (2 * wave[:, 1:-1] ** 2).sum(1)
    turns = cosine.acos() / (2 * math.pi)
    assert 1 / 40 - 1e-4 < turns.min() < 1 / 35
    assert 1 / 11 < turns.max() < 1 / 10 + 1e-4


def test_the_plan_says_which_gait_it_is() -> None:
    batch = make(curve="gaits").sample("train", 0, 32)
    plan = batch.input[..., 4:]
    assert set(plan[:, 0].argmax(1).tolist()) == {0, 1, 2}
    assert torch.equal(plan, plan[:, :1].expand_as(plan))
    same_legs = (batch.target[..., 0] - batch.target[..., 3]).abs().amax(1) < 1e-5
    assert torch.equal(same_legs, plan[:, 0, 1] == 1)  # trot


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_subset_of_outputs_is_taught_in_silence(layout: Layout) -> None:
    task = make(layout, curve="gaits", taught_outputs=[2, 0])
    batch = task.sample("train", 0, 4)
    assert not task.spec.feedback
    assert batch.target_mask is not None
    assert batch.target_mask[..., [0, 2]].all()
    assert not batch.target_mask[..., [1, 3]].any()
    after_cue = batch.input[:, 5 if layout == "stream" else 0 :]
    assert not after_cue[..., :4].any()
    assert after_cue[..., 4:].any()
    other = batch.target.clone()
    other[..., [1, 3]] = 7.0
    for name, score in scores(task, batch.target, batch).items():
        assert scores(task, other, batch)[name] == pytest.approx(score, nan_ok=True)


def test_the_clamped_state_holds_the_last_points_newest_first() -> None:
    task = make_clamped(clamped_points=2)
    batch = task.sample("train", 0, 3)
    whole = make(cue_steps=2).sample("train", 0, 3)
    assert batch.initial is not None
    torch.testing.assert_close(batch.initial, whole.input[:, [1, 0]].flatten(1))
    torch.testing.assert_close(batch.target, whole.target[:, 1:])
    assert task.spec.initial == Reals(4)
    assert not task.spec.feedback
    assert not batch.input.any()
    assert bool(batch.mask.all())


def test_noise_moves_the_clamped_points_of_training_alone() -> None:
    clean, noisy = make_clamped(), make_clamped(initial_noise=0.1)
    for split in SPLITS:
        due, batch = (task.sample(split, 0, 500) for task in (clean, noisy))
        assert due.initial is not None
        assert batch.initial is not None
        moved = (batch.initial - due.initial).std()
        assert float(moved) == pytest.approx(0.1 if split == "train" else 0, rel=0.1)
        assert torch.equal(batch.target, due.target)


def test_an_encoder_reads_what_would_be_clamped() -> None:
    task = make_clamped("encoder_decoder", curve="gaits")
    batch = task.sample("train", 0, 3)
    assert task.spec.initial is None
    assert batch.initial is None
    assert batch.source is not None
    assert batch.source.shape == (3, 2, 7)
    assert torch.equal(batch.input, batch.source[:, :1, 4:].expand_as(batch.input))


@pytest.mark.parametrize("maker", [make, make_clamped])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("curve", CURVES)
def test_the_right_orbit_scores_perfectly(curve: str, layout: Layout, maker: Any) -> None:
    task = maker(layout, curve=curve)
    batch = task.sample("val", 0, 16)
    right = scores(task, batch.target, batch)
    assert right.pop("on_cycle", 1.0) == 1.0
    assert right.pop("max_distance") < 0.005
    assert max(right.values()) < 1e-3


@pytest.mark.parametrize("curve", ["sine", "sum_of_sines", "walk"])
def test_the_right_orbit_scores_perfectly_at_any_frequency(curve: str) -> None:
    task = make(curve=curve, max_period_steps=40)
    batch = task.sample("val", 0, 16)
    right = scores(task, batch.target, batch)
    assert right["distance"] < 1e-3
    assert right["period_error"] < 1e-6


@pytest.mark.parametrize("curve", SMOOTH)
@pytest.mark.parametrize("share", [-0.03, 0.01, 0.03])
def test_a_wrong_period_is_measured_as_such(curve: str, share: float) -> None:
    task, slower = (make(curve=curve, period_steps=25 * n) for n in (1, 1 + share))
    batch = task.sample("val", 0, 16)
    output = slower.sample("val", 0, 16, length=500).target
    found = scores(task, output, batch)
    assert found["period_error"] == pytest.approx(abs(share), abs=0.001)
    if curve != "gaits" and batch.target.shape[2] > 1:
        assert found["distance"] < 1e-3  # on the curve all the same


def test_a_wrong_size_is_measured_as_such() -> None:
    task = make()
    batch = task.sample("val", 0, 16)
    found = scores(task, batch.target * 1.1, batch)
    assert found["amplitude_error"] == pytest.approx(0.1, abs=1e-4)
    assert found["max_distance"] == pytest.approx(
        0.0625, abs=0.001
    )  # its farthest points are at 0.625
    assert found["period_error"] == pytest.approx(0, abs=1e-5)


def test_distance_of_one_number_is_that_of_its_delay_embedding() -> None:
    task = make(curve="sine", period_steps=24)  # a quarter is 6 steps: the embedding is a circle
    batch = task.sample("val", 0, 16)
    assert scores(task, batch.target * 0.8, batch)["distance"] == pytest.approx(0.2, abs=1e-3)
    assert scores(task, batch.target * 0, batch)["distance"] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("curve", CURVES)
def test_standing_still_scores_the_floor(curve: str) -> None:
    task = make(curve=curve)
    batch = task.sample("val", 0, 64)
    mean = task.outline.mean(dim=(0, 1)).expand_as(batch.target)
    still = scores(task, mean, batch)
    for name, floor in task.floor.items():
        if name != "on_cycle":
            assert still[name] == pytest.approx(floor, rel=1e-4)


def test_a_run_that_diverges_has_finite_scores() -> None:
    task = make()
    batch = task.sample("val", 0, 4)
    output = batch.target.clone()
    output[:, 50:], output[:, 60:] = math.inf, math.nan
    found = scores(task, output, batch)
    found.pop("loss")
    assert all(math.isfinite(value) for value in found.values())
    assert found["distance"] > 100


def test_a_cycle_in_the_wrong_direction_is_found() -> None:
    task = make(curve="four_corners")
    batch = task.sample("val", 0, 8)
    late = batch.target.roll(1, dims=1)
    assert scores(task, batch.target + 0.2, batch)["on_cycle"] == 1.0
    assert scores(task, late, batch)["on_cycle"] == 0.0
    assert scores(task, late, batch)["distance"] == 0.0


@pytest.mark.parametrize(
    ("curve", "layout", "width"),
    [("figure_eight", "stream", 1376), ("sine", "encoder_decoder", 900), ("gaits", "stream", 900)],
)
def test_pictures_have_ink(curve: str, layout: Layout, width: int) -> None:
    task = make(layout, curve=curve)
    batch = task.sample("val", 0, 2)
    right, wrong = (task.show(batch, batch.target * scale) for scale in (1.0, 0.5))
    assert isinstance(right, Image.Image)
    assert right.size[0] == width
    assert len(right.getcolors(1 << 20)) > 10
    assert right.tobytes() != wrong.tobytes()


def test_the_table_holds_the_answered_steps() -> None:
    task = make()
    batch = task.sample("test", 0, 2, length=3)
    heading, *rows = task.table(batch, batch.target + 1)
    assert heading == ["sequence", "step", "truth_x", "truth_y", "answer_x", "answer_y"]
    assert [row[:2] for row in rows] == [[0, 4], [0, 5], [0, 6], [1, 4], [1, 5], [1, 6]]
    assert rows[0][4] == pytest.approx(float(rows[0][2]) + 1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"curve": "sinus"}, "curve must be one of sine, .*, got 'sinus'"),
        ({"curve": "four_corners", "period_steps": 25}, "period of 4 steps"),
        ({"curve": "four_corners", "max_period_steps": 9}, "period of 4 steps"),
        ({"period_steps": 30, "max_period_steps": 20}, "above period_steps=30, got 20"),
        ({"taught_outputs": []}, "from 0 to 1, got"),
        ({"taught_outputs": [0, 0]}, "from 0 to 1, got"),
        ({"taught_outputs": [2]}, "from 0 to 1, got"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(**wrong)


def test_one_clamped_number_does_not_say_which_way_it_goes() -> None:
    with pytest.raises(ConfigError, match="clamped_points must be 2 or more"):
        make_clamped(curve="sine", clamped_points=1)
    make_clamped(curve="sine", clamped_points=1, random_phase=False)


# Learning: a target number for each, running free over 20 periods after at most 20 s of training.


def train(task: Oscillation, cell: Callable[..., Cell], steps: int, rate: float) -> Stream:
    model = Stream(task.spec, cell=cell, **zoo.SETTINGS)
    optimizer = torch.optim.Adam(model.parameters(), rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for index in range(steps):
        batch = task.sample("train", index, 32)
        optimizer.zero_grad()
        task.loss(model(batch)[0], batch).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return model


def free_scores(task: Oscillation, model: Stream) -> dict[str, float]:
    batch = task.sample("test", 0, 32)
    return scores(task, free_run(model, batch), batch)


ELMAN = partial(zoo.elman, hidden_size=64)


def test_least_squares_finds_the_two_taps_of_a_sine() -> None:
    task = make(curve="sine", cue_steps=2)
    model = Stream(task.spec, cell=partial(zoo.taps, taps=2), **zoo.SETTINGS)
    batch = task.sample("train", 0, 64)
    optimizer = torch.optim.LBFGS(
        model.parameters(), max_iter=200, tolerance_grad=1e-10, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = task.loss(model(batch)[0], batch)
        loss.backward()
        return loss

    optimizer.step(closure)
    weight = model.readout.weight[0].tolist()
    assert weight == pytest.approx([2 * math.cos(2 * math.pi / 25), -1], abs=1e-3)
    free = free_scores(task, model)
    assert free["max_distance"] < 0.01
    assert free["period_error"] < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_elman_keeps_to_the_figure_eight_for_20_periods(seed: int) -> None:
    torch.manual_seed(seed)
    task = make(seed=seed, cue_steps=10, length=50, input_noise=0.05)
    free = free_scores(task, train(task, ELMAN, 1000, 0.003))
    assert free["max_distance"] < 0.05
    assert free["period_error"] < 0.03


@pytest.mark.slow
@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_jordan_stays_on_the_four_corners_for_400_steps(decay: float) -> None:
    task = make(curve="four_corners", cue_steps=2, length=20, eval_periods=100)
    model = train(task, partial(zoo.jordan, hidden_size=32, decay=decay), 1500, 0.01)
    assert free_scores(task, model)["on_cycle"] == 1.0


@pytest.mark.slow
def test_elman_swings_from_a_clamped_state() -> None:
    task = make_clamped(curve="sine", length=50)
    free = free_scores(task, train(task, ELMAN, 1000, 0.003))
    assert free["distance"] < 0.02
    assert free["period_error"] < 0.01
    assert free["loss"] < 0.02  # the mean scores 0.5
