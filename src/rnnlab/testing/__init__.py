"""The contracts that every cell, model and task keeps, to be checked in anybody's tests.

    from rnnlab.testing import check_cell, check_model, check_task

    def test_my_cell():
        check_cell(lambda: Leaky(3, hidden_size=4, leak=0.5))

    def test_my_model():
        check_model("packages=[mypkg]", "model=leaky", "model.cell.hidden_size=6")

    def test_my_task():
        check_task("packages=[mypkg]", "task=parity", "task.length=5")

Each raises `AssertionError` at the first contract that is broken, and names it. `CELL_CONTRACTS`,
`PAIR_CONTRACTS` and `TASK_CONTRACTS` hold the contracts one by one, for a test of each.
"""

from rnnlab.testing.cells import CELL_CONTRACTS, check_cell
from rnnlab.testing.pairs import PAIR_CONTRACTS, check_model
from rnnlab.testing.tasks import TASK_CONTRACTS, check_task

__all__ = [
    "CELL_CONTRACTS",
    "PAIR_CONTRACTS",
    "TASK_CONTRACTS",
    "check_cell",
    "check_model",
    "check_task",
]
