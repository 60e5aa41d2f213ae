"""How weights begin, against closed forms."""

import math

import pytest
import torch

from rnnlab.cells.init import init_input, init_recurrent

H = 8
RECURRENT = ["uniform", "xavier", "orthogonal", "identity", "spectral"]


def recurrent(kind: str, scale: float = 1.0, gates: int = 1) -> torch.Tensor:
    weight = torch.full((gates * H, H), torch.nan, dtype=torch.float64)
    init_recurrent(weight, kind, scale, gates=gates)
    return weight


@pytest.mark.parametrize("gates", [1, 3, 4])
def test_orthogonal_blocks_are_orthogonal(gates: int) -> None:
    for block in recurrent("orthogonal", gates=gates).chunk(gates):
        torch.testing.assert_close(block @ block.T, torch.eye(H, dtype=torch.float64))


@pytest.mark.parametrize("shape", [(8, 3), (3, 8)])
def test_orthogonal_input_weights_have_orthonormal_rows_or_columns(shape: tuple[int, int]) -> None:
    weight = torch.empty(shape, dtype=torch.float64)
    init_input(weight, "orthogonal")
    short = weight if shape[0] < shape[1] else weight.T
    torch.testing.assert_close(short @ short.T, torch.eye(3, dtype=torch.float64))


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.25])
def test_spectral_radius_is_exact_in_every_block(scale: float) -> None:
    for block in recurrent("spectral", scale, gates=3).chunk(3):
        radius = torch.linalg.eigvals(block).abs().max().item()
        assert radius == pytest.approx(scale, rel=1e-12)


def test_identity_is_the_scaled_identity_in_every_block() -> None:
    for block in recurrent("identity", 0.5, gates=2).chunk(2):
        assert torch.equal(block, 0.5 * torch.eye(H, dtype=torch.float64))


@pytest.mark.parametrize(
    ("kind", "bound"), [("uniform", 1 / math.sqrt(200)), ("xavier", math.sqrt(6 / (50 + 200)))]
)
def test_uniform_kinds_fill_their_bounds_in_every_block(kind: str, bound: float) -> None:
    weight = torch.empty(3 * 200, 50)  # three gates of 200 units, 50 inputs
    init_input(weight, kind, gates=3)
    for block in weight.chunk(3):
        assert block.abs().max() <= bound
        assert block.abs().max() > 0.99 * bound
        assert block.mean().abs() < 0.02 * bound
        assert block.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)


@pytest.mark.parametrize("kind", RECURRENT)
def test_scale_multiplies(kind: str) -> None:
    torch.manual_seed(3)
    once = recurrent(kind)
    torch.manual_seed(3)
    torch.testing.assert_close(recurrent(kind, 0.25), 0.25 * once)


@pytest.mark.parametrize("kind", ["uniform", "xavier", "orthogonal", "spectral"])
def test_blocks_differ(kind: str) -> None:
    first, second = recurrent(kind, gates=2).chunk(2)
    assert not torch.equal(first, second)


def test_no_inputs_are_no_trouble() -> None:
    init_input(torch.empty(4, 0), "orthogonal")
