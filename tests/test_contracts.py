"""What holds for every model on every task, found from `configs/`."""

from functools import cache

import pytest

from rnnlab.config.catalogue import describe
from rnnlab.experiment.experiment import Experiment
from rnnlab.testing import PAIR_CONTRACTS, TASK_CONTRACTS
from rnnlab.testing.contracts import Contract
from rnnlab.testing.pairs import assemble, check_training
from rnnlab.testing.tasks import LAYOUTS

small = cache(assemble)


def hold(contract: Contract, experiment: Experiment) -> None:
    if not contract.applies(experiment):
        pytest.skip("it asks nothing of such a task")
    contract.check(experiment)


@pytest.mark.parametrize("task", describe("task"))
@pytest.mark.parametrize("model", describe("model"))
@pytest.mark.parametrize("contract", PAIR_CONTRACTS, ids=lambda contract: contract.name)
def test_pair_keeps(contract: Contract, model: str, task: str) -> None:
    hold(contract, small(f"model={model}", f"task={task}"))


@pytest.mark.parametrize("model", describe("model"))
def test_every_parameter_is_trained(model: str) -> None:
    check_training(model, [small(f"model={model}", f"task={task}") for task in describe("task")])


@pytest.mark.parametrize("task", describe("task"))
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("contract", TASK_CONTRACTS, ids=lambda contract: contract.name)
def test_task_keeps(contract: Contract, layout: str, task: str) -> None:
    hold(contract, small(f"model={LAYOUTS[layout]}", f"task={task}"))
