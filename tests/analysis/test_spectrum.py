"""A rhythm whose spectrum and stability are known."""

import math
from pathlib import Path

import pytest
import torch

from rnnlab.analysis.spectrum import Spectrum, power_spectrum, spectral_peak, stray_power
from rnnlab.errors import ConfigError
from rnnlab.experiment.experiment import Experiment
from tests.analysis.test_fixed_points import OSCILLATION, build
from tests.small_runs import tiny


def spectrum(**settings) -> Spectrum:
    chosen = {"num_sequences": 2, "periods": 12, "push": 0.1, "num_pushes": 2, "steps": 60}
    return Spectrum(**chosen | {"seed": 0} | settings)


def taps(tmp_path: Path, period: float, radius: float) -> Experiment:
    """Two taps that turn in a period, and keep so much of their radius a step."""
    experiment = build(tmp_path, "model=ar", "model.cell.taps=2", "task.curve=sine", *OSCILLATION)
    turn = 2 * radius * math.cos(2 * math.pi / period)
    with torch.no_grad():
        experiment.model.readout.weight.copy_(torch.tensor([[turn, -(radius**2)]]))
        experiment.model.readout.bias.zero_()
    return experiment


def test_a_sine_is_one_line_of_its_own_power() -> None:
    steps = torch.arange(400, dtype=torch.float64)
    signal = 3 * torch.sin(2 * math.pi * steps / 17.3) + 5
    frequencies, power = power_spectrum(signal.expand(1, 2, 400)[..., None])
    assert 1 / spectral_peak(frequencies, power[0]) == pytest.approx(17.3, rel=1e-3)
    assert 2 * float(power.sum()) == pytest.approx(4.5, rel=1e-2)  # both signs of the frequency


def test_power_away_from_the_targets_lines_is_stray() -> None:
    steps = torch.arange(400, dtype=torch.float64)
    right, wrong = (torch.sin(2 * math.pi * steps / period) for period in (20, 7))
    signals = torch.stack([right, right + wrong / 10])[:, None, :, None]
    _, power = power_spectrum(signals)
    assert stray_power(power) == pytest.approx(0.01 / 1.01, rel=0.01)


def test_two_taps_keep_the_period_and_come_back_to_no_cycle(tmp_path: Path) -> None:
    found = spectrum().analyze(taps(tmp_path, period=20, radius=1.0))
    assert found.numbers["answer_turns_in_steps"] == pytest.approx(20, rel=5e-3)
    assert found.numbers["target_turns_in_steps"] == pytest.approx(25, rel=5e-3)
    assert found.numbers["decay_rate"] is None
    assert found.lines[2] == "pushes do not fade: no cycle attracts here"
    assert found.numbers["lyapunov_exponents"].tolist() == pytest.approx([0, 0], abs=5e-3)


@pytest.mark.thorough
def test_pushes_are_of_the_size_that_is_asked_for(tmp_path: Path) -> None:
    found = spectrum(push=0.3, num_pushes=3).analyze(taps(tmp_path, period=25, radius=1.0))
    heading, first, *_ = found.tables["return"]
    assert len(heading) == 1 + 2 * 3
    assert 0 < max(first[1:]) <= 0.3 * 1.001  # along the circle a push leads to the circle


@pytest.mark.parametrize("radius", [0.5, 1.05])
def test_a_rhythm_that_dies_or_explodes_is_told_without_an_error(
    radius: float, tmp_path: Path
) -> None:
    found = spectrum().analyze(taps(tmp_path, period=25, radius=radius))
    assert found.numbers["lyapunov_exponents"].tolist() == pytest.approx(
        [math.log(radius)] * 2, abs=5e-3
    )


def test_a_net_that_runs_away_to_infinity_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the states run away to infinity"):
        spectrum().analyze(taps(tmp_path, period=25, radius=3.0))


def test_tasks_without_a_rhythm_are_refused(tmp_path: Path) -> None:
    copy = build(tmp_path, *tiny(tmp_path))
    assert "oscillation" in spectrum().refusal(copy.model, copy.task)


@pytest.mark.parametrize(
    "words",
    [
        ["model=jordan", "model.cell.hidden_size=6", "task.curve=four_corners"],
        ["model=elman", "model.cell.hidden_size=6", "task.curve=gaits"],
        ["model=elman", "model.cell.hidden_size=6", "task.taught_outputs=[0]"],
        ["model=seq2seq", "model.attention=dot", "task.max_period_steps=30"],
        ["model=gru", "model.cell.hidden_size=6", "task=oscillation_clamped"],
    ],
    ids=lambda words: "-".join(words),
)
def test_every_oscillation_and_model_is_looked_at_and_drawn(
    words: list[str], tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    found = spectrum(steps=10, num_pushes=1).analyze(build(tmp_path, *OSCILLATION, *words))
    assert len(found.pictures[""].draw().axes) == 3
