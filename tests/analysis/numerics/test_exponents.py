"""Lyapunov exponents of maps whose exponents are known."""

import math

import pytest
import torch
from torch import Tensor

from rnnlab.analysis.numerics.exponents import LyapunovSpectrum, kaplan_yorke, lyapunov_spectrum

START = torch.full((1, 3), 0.1, dtype=torch.float64)


def measure(step, start: Tensor, **settings) -> LyapunovSpectrum:
    chosen = {"steps": 400, "transient": 200, "num_exponents": start.shape[1]} | settings
    return lyapunov_spectrum(
        lambda _, s: step(s), start, generator=torch.Generator().manual_seed(0), **chosen
    )


def henon(states: Tensor) -> Tensor:
    x, y = states.unbind(1)
    return torch.stack([1 - 1.4 * x**2 + y, 0.3 * x], dim=1)


def test_of_a_linear_map_they_are_the_logarithms_of_its_eigenvalues() -> None:
    matrix = torch.tensor([[0.5, 2.0, 0.0], [0.0, 1.5, 1.0], [0.0, 0.0, 0.9]], dtype=torch.float64)
    found = measure(lambda s: s @ matrix.T, START).exponents[0]
    known = torch.tensor([1.5, 0.9, 0.5], dtype=torch.float64).log()
    torch.testing.assert_close(found, known, rtol=0, atol=0.01)


def test_a_turning_pair_shares_the_logarithm_of_its_modulus() -> None:
    turn = 0.8 * torch.tensor([[math.cos(1), -math.sin(1)], [math.sin(1), math.cos(1)]])
    found = measure(lambda s: s @ turn.double().T, START[:, :2]).exponents[0]
    torch.testing.assert_close(found, torch.full_like(found, math.log(0.8)))


def test_henons_map_has_the_exponents_that_are_printed() -> None:
    start = 0.1 * torch.rand(192, 2, dtype=torch.float64)
    found = measure(henon, start, steps=500).exponents
    assert found.mean(0).tolist() == pytest.approx([0.4192, -1.6229], abs=0.004)
    torch.testing.assert_close(found.sum(1), torch.full_like(found[:, 0], math.log(0.3)))
    assert kaplan_yorke(found.mean(0), 2) == pytest.approx(1.258, abs=0.003)


@pytest.mark.parametrize(("gain", "grows"), [(0.5, False), (2.0, True)])
def test_a_random_net_is_chaotic_beyond_a_gain_of_one(gain: float, grows: bool) -> None:
    """Sompolinsky, Crisanti and Sommers (1988); below 1 the exponent is about log(gain)."""
    size = 100
    weight = gain * torch.randn(size, size, dtype=torch.float64) / size**0.5
    start = torch.randn(2, size, dtype=torch.float64)
    found = measure(lambda s: torch.tanh(s @ weight.T), start, num_exponents=3).exponents
    assert bool((found[:, 0] > 0.05).all()) is grows
    if not grows:
        radius = float(torch.linalg.eigvals(weight).abs().max())
        assert found[:, 0].tolist() == pytest.approx([math.log(radius)] * 2, abs=0.02)


def test_a_direction_that_a_step_takes_away_is_lost_at_once() -> None:
    matrix = torch.tensor([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 0.3]], dtype=torch.float64)
    found = measure(lambda s: s @ matrix.T, START).exponents[0].tolist()
    assert found == [pytest.approx(0, abs=0.01), pytest.approx(math.log(0.3), abs=0.01), -math.inf]


def test_the_running_mean_ends_at_the_exponents_and_both_are_sorted() -> None:
    spectrum = measure(henon, torch.full((2, 2), 0.1, dtype=torch.float64), steps=50)
    assert spectrum.running.shape == (50, 2, 2)
    assert torch.equal(spectrum.running[-1], spectrum.exponents)
    assert bool((spectrum.exponents[:, 0] > spectrum.exponents[:, 1]).all())


def test_a_jump_moves_the_state_and_keeps_the_directions() -> None:
    spectrum = lyapunov_spectrum(
        lambda _, s: s**2,
        torch.full((1, 1), 3.0, dtype=torch.float64),
        steps=5,
        transient=0,
        num_exponents=1,
        generator=torch.Generator(),
        before=lambda t, s: torch.full_like(s, float(t + 1)),
    )
    assert spectrum.running[:, 0, 0].tolist() == pytest.approx(
        [sum(math.log(2 * k) for k in range(1, n + 1)) / n for n in range(1, 6)]
    )


def test_states_that_run_away_are_an_error_and_not_a_number() -> None:
    with pytest.raises(FloatingPointError, match="infinity"):
        measure(lambda s: 10 * s, START)


@pytest.mark.parametrize(
    ("exponents", "dimension"),
    [([-0.1, -0.2], 0.0), ([0.0, -0.2], 1.0), ([0.5, -0.2], None), ([0.5, -0.2, -0.1], 3.0)],
)
def test_the_dimension_is_told_where_the_exponents_given_are_enough(
    exponents: list[float], dimension: float | None
) -> None:
    assert kaplan_yorke(torch.tensor(exponents), 3) == dimension
