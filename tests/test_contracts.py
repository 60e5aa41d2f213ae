"""What holds for every model on every task, found from `configs/`."""

from collections.abc import Callable
from functools import cache

import pytest

from rnnlab.config.catalogue import describe
from rnnlab.experiment.experiment import Experiment
from rnnlab.testing import PAIR_CONTRACTS, TASK_CONTRACTS
from rnnlab.testing.pairs import assemble, check_training
from rnnlab.testing.tasks import LAYOUTS

Contract = Callable[[Experiment], None]
small = cache(assemble)


@pytest.mark.parametrize("task", describe("task"))
@pytest.mark.parametrize("model", describe("model"))
@pytest.mark.parametrize("contract", PAIR_CONTRACTS, ids=lambda contract: contract.__name__)
def test_pair_keeps(contract: Contract, model: str, task: str) -> None:
    contract(small(f"model={model}", f"task={task}"))


@pytest.mark.parametrize("model", describe("model"))
def test_every_parameter_is_trained(model: str) -> None:
    check_training(model, [small(f"model={model}", f"task={task}") for task in describe("task")])


@pytest.mark.parametrize("task", describe("task"))
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("contract", TASK_CONTRACTS, ids=lambda contract: contract.__name__)
def test_task_keeps(contract: Contract, layout: str, task: str) -> None:
    contract(small(f"model={LAYOUTS[layout]}", f"task={task}"))
