"""What holds for every model on every task, found from `configs/`."""

import math
from dataclasses import replace
from functools import cache

import pytest
import torch
from omegaconf import DictConfig

from rnnlab.config.build import build, target
from rnnlab.config.catalogue import describe
from rnnlab.experiment.experiment import Experiment
from rnnlab.inference.evaluate import evaluate
from rnnlab.testing import PAIR_CONTRACTS, TASK_CONTRACTS
from rnnlab.testing.examples import FILES
from rnnlab.testing.pairs import assemble, check_training
from rnnlab.testing.tasks import LAYOUTS

VARIED = (
    "addition_binary",  # numbers in, symbols out, one for one
    "attractor_memory",  # numbers, of which a mask teaches some, and a given first state
    "counting",  # symbols in, numbers out
    "labels",  # many symbols, one answer
    "letters",  # numbers of a stream that batches cut, carried on
    "next_pixel",  # symbols of one, fed back
    "phonemes",  # symbols of two lengths
    "series",  # numbers, fed back
    "speech",  # numbers in, symbols of another length out
)
"""Tasks with every kind of input, answer, mask and state."""
USUAL = [*LAYOUTS.values()]
"""Models of which each task is proven with every contract, one that reads each layout."""
ALL = [(model, task) for task in describe("task") for model in describe("model")]
PROVEN = [(model, task) for model, task in ALL if model in USUAL or task in VARIED]


@cache
def experiment_of(layout: str, task: str) -> Experiment:
    return assemble(f"model={LAYOUTS[layout]}", f"task={task}")


@cache
def config_of(model: str) -> DictConfig:
    return assemble(f"model={model}", "task=copy").cfg.model


@cache
def joined(model: str, task: str) -> Experiment:
    """Give a pair as `assemble` does, but compose each model and each task only once."""
    cfg = config_of(model)
    experiment = experiment_of(target(cfg).layout, task)
    torch.manual_seed(0)
    built = build("model", cfg, experiment.task.spec)
    whole = experiment.cfg.copy()
    whole.model = cfg
    return replace(experiment, cfg=whole, model=built.eval())


def both(pairs: list[tuple[str, str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("model", "task"), pairs, ids=[f"{model}-{task}" for model, task in pairs]
    )


@both(PROVEN)
def test_a_pair_keeps_every_contract(model: str, task: str) -> None:
    PAIR_CONTRACTS.check(f"model={model} on task={task}", joined(model, task))


@both([pair for pair in ALL if pair not in PROVEN])
def test_any_other_pair_is_scored_and_shown(model: str, task: str) -> None:
    pair = joined(model, task)
    batch = pair.task.sample("val", 0, 3)
    scores = evaluate(pair.model, pair.task, [batch]).compute()
    assert {pair.task.mode(name) for name in scores} <= {"min", "max"}
    assert math.isfinite(scores["loss"])
    with torch.no_grad():
        output, _ = pair.model(batch)
    assert pair.task.show(batch, output)
    target = batch.target[0]
    assert len(pair.task.answer_labels(target)) == len(target)  # of a map of attention


@pytest.mark.thorough
@both(ALL)
def test_every_pair_keeps_every_contract_as_it_is_composed(model: str, task: str) -> None:
    experiment = assemble(f"model={model}", f"task={task}")
    other = joined(model, task).cfg.copy()
    other.choices = experiment.cfg.choices
    if task in FILES:  # each has its own
        other.task.path = experiment.cfg.task.path
    assert experiment.cfg == other
    PAIR_CONTRACTS.check(f"model={model} on task={task}", experiment)


@pytest.mark.parametrize("model", describe("model"))
def test_every_parameter_is_trained(model: str) -> None:
    check_training(model, [joined(model, task) for task in VARIED])


@pytest.mark.parametrize("task", describe("task"))
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_task_keeps_every_contract(layout: str, task: str) -> None:
    TASK_CONTRACTS.check(f"task={task} in the layout {layout}", experiment_of(layout, task))
