"""Kernels give the values and gradients of the loop in float64, whatever the sizes."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from rnnlab.cells import Cell, Elman, Stack, readable, unroll_within
from rnnlab.cells.base import declared_kernel, usable_kernel
from rnnlab.kernels import request as kernel_request
from rnnlab.state import State, leaves, like, map_state
from tests.cells.zoo import CELLS, prefix_mask, scatter
from tests.dear import dear_but
from tests.marks import needs_kernels

pytestmark = needs_kernels

NAMES = [name for name, make in CELLS.items() if declared_kernel(make()) is not None]
RECURRENT = [name for name in NAMES if "taps" not in name]
STEPS = 5


@pytest.fixture
def threads(request, monkeypatch) -> Iterator[int]:
    """Threads, which share even small batches."""
    monkeypatch.setattr(kernel_request, "_LEAST_WORK", 0)
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


masked_in_threads = pytest.mark.parametrize(
    ("masked", "threads"),
    [
        (False, 1),
        (True, 2),
        *(pytest.param(masked, 2 - masked, marks=pytest.mark.thorough) for masked in (False, True)),
    ],
    indirect=["threads"],
)


def lengths(rows: int) -> Tensor:
    """From no real step to all of them."""
    return prefix_mask([n % (STEPS + 1) for n in range(rows)], STEPS)


def draw(cell: Cell, rows: int) -> tuple[Tensor, State]:
    """Inputs and a state, such that a Jordan network's are taught here and there."""
    inputs = torch.randn(rows, STEPS, cell.input_size)
    if getattr(cell, "teacher_forcing", False):
        size = cell.output_size
        inputs[..., -size:] = (inputs[..., -size:] > 0).float()
    return inputs, map_state(torch.randn_like, cell.initial_state(rows))


def run(
    cell: Cell, inputs: Tensor, state: State, mask: Tensor | None, horizon: int | None = None
) -> list[Tensor]:
    """Outputs on real steps, final state, and gradients of all of it."""
    dtype = next(cell.parameters()).dtype
    inputs = inputs.to(dtype).requires_grad_()
    starts = [leaf.to(dtype).requires_grad_() for leaf in leaves(state)]
    outputs, final = unroll_within(cell, inputs, like(state, starts), horizon, mask)
    if mask is not None:
        outputs = outputs * mask[..., None]
    found = [outputs, *leaves(final)]
    total = sum((part * torch.randn(part.shape).to(dtype)).sum() for part in found)
    slopes = torch.autograd.grad(
        total,  # type: ignore[arg-type]
        [inputs, *starts, *cell.parameters()],
        materialize_grads=True,
        allow_unused=True,
    )
    if getattr(cell, "teacher_forcing", False):  # no gradient is promised to what is taught
        slopes = (slopes[0][..., : -2 * cell.output_size], *slopes[1:])
    return [part.detach() for part in [*found, *slopes]]


def assert_alike(
    cell: Cell, inputs: Tensor, state: State, mask: Tensor | None, horizon: int | None = None
) -> None:
    seed = torch.initial_seed()
    found = run(cell, inputs, state, mask, horizon)
    torch.manual_seed(seed)
    with readable(cell.double()):
        expected = run(cell, inputs, state, mask, horizon)
    for one, other in zip(found, expected, strict=True):
        largest = max(1.0, float(other.abs().max())) if other.numel() else 1.0
        close = {"check_dtype": False, "rtol": 0, "atol": 2e-5 * largest}
        torch.testing.assert_close(one, other, **close)


@masked_in_threads
@pytest.mark.parametrize(("rows", "hidden_size"), [(1, 1), (3, 16), (37, 5), (65, 33)])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("threads")
def test_values_and_gradients(name: str, rows: int, hidden_size: int, masked: bool) -> None:
    deep = isinstance(getattr(CELLS[name](), "hidden", None), torch.nn.Sequential)
    sizes = {} if deep and "deep" in name else {"hidden_size": hidden_size}
    cell = scatter(CELLS[name](**sizes))
    inputs, state = draw(cell, rows)
    assert usable_kernel(cell, inputs) is not None
    torch.manual_seed(rows)
    assert_alike(cell, inputs, state, lengths(rows) if masked else None)


@masked_in_threads
@pytest.mark.parametrize("horizon", dear_but([1, STEPS - 1], [1, 2, STEPS - 1, STEPS]))
@pytest.mark.parametrize("name", RECURRENT)
@pytest.mark.usefixtures("threads")
def test_a_horizon(name: str, horizon: int, masked: bool) -> None:
    cell = scatter(CELLS[name]())
    inputs, state = draw(cell, 33)
    torch.manual_seed(horizon)
    assert_alike(cell, inputs, state, lengths(33) if masked else None, horizon)


@pytest.mark.parametrize("horizon", [1, 3])
@pytest.mark.parametrize("upper", ["elman", "lstm", "jordan"])
@pytest.mark.parametrize("lower", ["elman_relu", "gru", "jordan"])
def test_a_horizon_over_layers(lower: str, upper: str, horizon: int) -> None:
    below = CELLS[lower]()
    above = type(CELLS[upper]())
    make = CELLS[upper]
    args = (below.output_size, *make.args[1:])
    cell = scatter(Stack([below, above(*args, **make.keywords)], dropout=0.0))
    inputs, state = draw(cell, 6)
    torch.manual_seed(horizon)
    assert_alike(cell, inputs, state, lengths(6), horizon)


@pytest.mark.parametrize("name", [name for name in NAMES if "taught" not in name])
def test_indices_of_one_hot_inputs(name: str) -> None:
    cell = scatter(CELLS[name]())
    for symbols in (torch.randint(cell.input_size, (2, STEPS)), torch.tensor([[0]])):
        _, state = draw(cell, len(symbols))
        vectors = torch.nn.functional.one_hot(symbols, cell.input_size).float()
        results = []
        for inputs in (symbols, vectors):
            outputs, final = cell.unroll(inputs, state)
            slopes = torch.autograd.grad(outputs.cos().sum(), list(cell.parameters()))
            results.append([outputs, *leaves(final), *slopes])
        torch.testing.assert_close(*results)


@pytest.mark.parametrize("name", NAMES)
def test_a_second_backward_pass_finds_the_same(name: str) -> None:
    cell = scatter(CELLS[name]())
    outputs, _ = cell.unroll(*draw(cell, 2))
    total = outputs.square().sum()
    parameters = list(cell.parameters())
    first = torch.autograd.grad(total, parameters, retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(total, parameters), first)


def test_what_is_no_single_precision_takes_another_way() -> None:
    cell = CELLS["lstm"]()
    inputs = torch.randn(2, STEPS, cell.input_size)
    assert usable_kernel(cell, inputs) is not None
    assert usable_kernel(cell, inputs.double()) is None
    assert usable_kernel(CELLS["lstm"]().double(), inputs) is None
    with torch.autocast("cpu", torch.bfloat16):
        assert usable_kernel(cell, inputs) is None


class Doubled(Elman):
    """A cell with a step of its own."""

    def forward(self, input, state):
        hidden, _ = super().forward(input, state)
        return 2 * hidden, 2 * hidden


class Renamed(Elman):
    """A cell that is another by name alone."""


def test_a_step_of_its_own_has_no_kernel_of_another() -> None:
    make = CELLS["elman"]
    assert declared_kernel(Renamed(*make.args, **make.keywords)) is not None
    assert declared_kernel(Doubled(*make.args, **make.keywords)) is None
