"""What every cell owes the rest, over all of `CELLS`."""

import pytest
import torch

from rnnlab.cells import Cell, readable
from rnnlab.testing import CELL_CONTRACTS
from rnnlab.testing.cells import BATCH, draw
from rnnlab.testing.contracts import Contract
from tests.cells.zoo import CELLS, RECURRENT, make


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("contract", CELL_CONTRACTS, ids=lambda contract: contract.name)
def test_cell_keeps(contract: Contract, name: str) -> None:
    contract.check(CELLS[name])


@pytest.mark.parametrize("name", RECURRENT)
def test_the_first_input_reaches_the_last_output(name: str) -> None:
    cell = make(name)
    inputs = draw(cell).requires_grad_()
    outputs, _ = cell.unroll(inputs, cell.initial_state(BATCH))
    (seen,) = torch.autograd.grad(outputs[:, -1].square().sum(), inputs)
    assert seen[:, 0].abs().max() > 0


def test_readable_ends_where_it_began() -> None:
    cell = make("stack_mixed")
    flags = [part.fast for part in cell.modules() if isinstance(part, Cell)]
    with readable(cell):
        assert not any(part.fast for part in cell.modules() if isinstance(part, Cell))
    assert [part.fast for part in cell.modules() if isinstance(part, Cell)] == flags
