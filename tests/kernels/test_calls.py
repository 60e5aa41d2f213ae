"""Tensors that a kernel would read or write beyond are refused before it runs."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from rnnlab.cells.kernels import CellKernel, ScanKernel
from rnnlab.kernels.arguments import Options, Readout, Tensors
from rnnlab.kernels.functions import Unroll, UnrollLoss
from tests.cells.zoo import CELLS
from tests.marks import needs_kernels

pytestmark = needs_kernels

ROWS, STEPS, SYMBOLS = 3, 4, 5
NAMES = ["elman", "gru", "lstm", "jordan", "taps_mlp"]


def kernel_of(name: str) -> tuple[CellKernel, Tensors]:
    """A kernel and what it reads: the indices of one-hot inputs, with a mask."""
    make = CELLS[name]
    cell = make.func(SYMBOLS, *make.args[1:], **make.keywords)
    kernel = cell.kernel()
    ids = torch.randint(SYMBOLS, (ROWS, STEPS))
    mask = torch.ones(ROWS, STEPS) > 0
    tensors = kernel.read(ids, cell.initial_state(ROWS), mask).tensors
    return kernel, tensors


def unroll(kernel: CellKernel, tensors: Tensors, **options: Any) -> None:
    Unroll.apply(Options(kernel.kernel, **options), *tensors)


def learn(name: str, **wrong: Tensor) -> None:
    """Compute a loss, with parts of the readout replaced."""
    kernel, tensors = kernel_of(name)
    size, classes = tensors.bias.shape[0], 2
    if name == "jordan":
        classes = tensors.hidden.shape[1]
    elif name != "taps_mlp":
        size = tensors.hidden.shape[1]
    target, mask = torch.ones(ROWS, STEPS, dtype=torch.int64), torch.ones(ROWS, STEPS) > 0
    readout = Readout(torch.zeros(classes, size), torch.zeros(classes), target, mask)
    cell = tensors._replace(readout_weight=None, readout_bias=None)
    UnrollLoss.apply(Options(kernel.kernel), *cell, *readout._replace(**wrong))


@pytest.mark.parametrize("name", NAMES)
def test_what_fits_is_taken(name: str) -> None:
    unroll(*kernel_of(name))
    unroll(*kernel_of(name), steps=[0, STEPS - 1])
    learn(name)


@pytest.mark.parametrize("wrong", [SYMBOLS, 2**40, -1])
@pytest.mark.parametrize("name", NAMES)
def test_ids_out_of_range(name: str, wrong: int) -> None:
    kernel, tensors = kernel_of(name)
    tensors.inputs[-1, -1] = wrong
    with pytest.raises(IndexError, match=f"one-hot inputs must be from 0 to {SYMBOLS - 1}"):
        unroll(kernel, tensors)


@pytest.mark.parametrize("name", NAMES)
def test_other_types(name: str) -> None:
    kernel, tensors = kernel_of(name)
    for part in ("input_weight", "bias", "hidden"):
        wider = tensors._replace(**{part: getattr(tensors, part).double()})
        with pytest.raises(ValueError, match=f"{part} must not be of torch.float64"):
            unroll(kernel, wider)
    with pytest.raises(ValueError, match=r"inputs must not be of torch.int32"):
        unroll(kernel, tensors._replace(inputs=tensors.inputs.int()))
    with pytest.raises(ValueError, match=r"inputs must not be of torch.float64"):
        unroll(kernel, tensors._replace(inputs=torch.zeros(ROWS, STEPS, SYMBOLS).double()))
    if tensors.mask is not None:
        with pytest.raises(ValueError, match=r"mask must not be of torch.float32"):
            unroll(kernel, tensors._replace(mask=tensors.mask.float()))


@pytest.mark.parametrize("name", NAMES)
def test_one_number_too_few(name: str) -> None:
    kernel, tensors = kernel_of(name)
    tensors = tensors._replace(inputs=torch.zeros(ROWS, STEPS, SYMBOLS))
    unroll(kernel, tensors)
    for part, whole in tensors._asdict().items():
        if whole is None or not whole.numel():
            continue
        for dim in range(whole.dim()):
            if (part, dim) == ("inputs", 1) and tensors.mask is None:
                continue  # a shorter sequence
            shorter = whole.narrow(dim, 0, whole.shape[dim] - 1)
            with pytest.raises(ValueError, match=r"must have the shape|must be divisible"):
                unroll(kernel, tensors._replace(**{part: shorter}))


@pytest.mark.parametrize("steps", [[STEPS], [-1, 2], [2, 1], [1, 1]])
def test_steps_that_there_are_not(steps: list[int]) -> None:
    with pytest.raises(ValueError, match=f"steps must ascend from 0 to {STEPS - 1}"):
        unroll(*kernel_of("gru"), steps=steps)


@pytest.mark.parametrize("name", NAMES)
def test_targets_and_readouts(name: str) -> None:
    ones = torch.ones(ROWS, STEPS, dtype=torch.int64)
    for wrong in (99, -1, -100):
        with pytest.raises(IndexError, match="targets must be from 0 to"):
            learn(name, target=wrong * ones)
    learn(name, target=99 * ones, mask=ones > 1)  # nobody reads these
    for part, wrong in {
        "target": ones.int(),
        "mask": torch.ones(ROWS, STEPS),
        "weight": torch.zeros(2, 3),
        "bias": torch.zeros(1),
    }.items():
        with pytest.raises(ValueError, match=f"the readout's {part} must have"):
            learn(name, **{part: wrong})
    with pytest.raises(ValueError, match="the readout's target must have"):
        learn(name, target=ones[:, 1:])


@pytest.mark.parametrize(("cell", "sums"), [("gru", 1), ("lstm", 1), ("elman_tanh", 4)])
def test_weights_of_another_cell(cell: str, sums: int) -> None:
    """As of a cell of somebody's own, whose header has other blocks than its parameters."""
    size = 6
    weights = [torch.zeros(sums * size, columns) for columns in (SYMBOLS, size)]
    kernel = ScanKernel(cell, *weights, torch.zeros(sums * size))
    state, ids = torch.zeros(ROWS, size), torch.zeros(ROWS, STEPS, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"input_weight must have the shape \(1, \d+, 5\), got"):
        unroll(kernel, kernel.read(ids, state, None).tensors)


HEADER = """
struct Doubling {
    static constexpr const char* name = "doubling";
    static constexpr int sums = 2, of_input[] = {0, 1}, of_state[] = {0};
    static constexpr bool remembers = false;
    static void step(Size, float*, const float*, float*, const float*, float*) {}
    static void back(Size, const float*, float*, const float*, const float*, const float*,
                     const float*, float*, float*) {}
};
using Cells = std::tuple<Doubling>;
"""


@pytest.mark.thorough
def test_a_header_of_ones_own_with_other_blocks(tmp_path: Path) -> None:
    header, size = tmp_path / "doubling.h", 6
    header.write_text(HEADER)
    columns = {"input_weight": (SYMBOLS,), "state_weight": (size,), "bias": ()}
    blocks = {"input_weight": 2, "state_weight": 1, "bias": 2}
    state, ids = torch.zeros(ROWS, size), torch.zeros(ROWS, STEPS, dtype=torch.int64)

    def run(**others: int) -> None:
        weights = {
            part: torch.zeros(rows * size, *columns[part])
            for part, rows in (blocks | others).items()
        }
        kernel = ScanKernel("doubling", **weights, header=header)
        unroll(kernel, kernel.read(ids, state, None).tensors)

    run()
    for part, rows in (("input_weight", 1), ("state_weight", 2), ("bias", 1), ("bias", 3)):
        with pytest.raises(ValueError, match=f"{part} must have the shape"):
            run(**{part: rows})
