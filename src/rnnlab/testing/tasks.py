"""What every task owes the rest of rnnlab, in both layouts."""

import pickle
from collections.abc import Mapping

import torch
from torch.nn import functional as F

from rnnlab.errors import ConfigError
from rnnlab.experiment.data import share
from rnnlab.experiment.experiment import Experiment
from rnnlab.inference.evaluate import evaluate
from rnnlab.spec import SPLITS, Reals, Tokens
from rnnlab.tasks.batch_check import checked
from rnnlab.testing.contracts import Contracts
from rnnlab.testing.pairs import PAIR_CONTRACTS, ROWS, assemble

TASK_CONTRACTS = Contracts()
LAYOUTS = {"stream": "elman", "encoder_decoder": "seq2seq"}
"""A model that reads each layout."""


def check_task(*overrides: str) -> None:
    """Hold a task to every contract, as an Elman network and as an encoder-decoder read it.

    Args:
        overrides: what chooses the task and makes it small, such as `task=mine`, `task.length=5`,
            `packages=[mypkg]`.

    Raises:
        AssertionError: it names the contract that is broken.
        ConfigError: an override is wrong.
    """
    for layout, model in LAYOUTS.items():
        experiment = assemble(f"model={model}", *overrides)
        for contracts in (TASK_CONTRACTS, PAIR_CONTRACTS):
            contracts.check(f"{' '.join(overrides)} in the layout {layout}", experiment)


@TASK_CONTRACTS.add
def batches_are_what_the_spec_says(experiment: Experiment) -> None:
    """Ids are int64 and in range, vectors float32 and masks bool, in the shapes of `Batch`."""
    for split in SPLITS:
        try:
            checked(experiment.task, experiment.task.sample(split, 0, ROWS))
        except ConfigError as error:
            raise AssertionError(f"{split}: {error}") from error


@TASK_CONTRACTS.add
def a_batch_can_be_made_again_and_no_two_are_alike(experiment: Experiment) -> None:
    """`sample` is a pure function of split and index, and gives other sequences for others."""
    task = experiment.task
    made = {
        (split, index): task.sample(split, index, ROWS)
        for split in SPLITS
        for index in range(min(2, task.num_batches(split, ROWS) or 2))
    }
    for (split, index), batch in made.items():
        for one, other in zip(batch, task.sample(split, index, ROWS), strict=True):
            if one is None or other is None:
                assert one is other, (split, index)
            else:
                assert torch.equal(one, other), (split, index)
    texts = [
        str(
            [
                part.tolist()
                for part in (batch.input, batch.source, batch.initial)
                if part is not None
            ]
        )
        for batch in made.values()
    ]
    assert len(set(texts)) == len(texts), "two batches are alike"


@TASK_CONTRACTS.add
def processes_that_share_rows_score_what_one_would(experiment: Experiment) -> None:
    """Scores of parts of the rows, merged, are the scores of all rows."""
    batches = [experiment.task.sample("val", index, ROWS) for index in range(2)]
    whole = evaluate(experiment.model, experiment.task, batches).forced
    together = experiment.task.scorer()
    for rank in range(ROWS + 1):  # the last has no row
        parts = [part for batch in batches if len((part := share(batch, rank, ROWS + 1)).mask)]
        scorer = evaluate(experiment.model, experiment.task, parts).forced
        together.merge(pickle.loads(pickle.dumps(scorer.parts())))
    _near(together.compute(), whole.compute())
    for name, groups in whole.breakdown().items():
        _near(together.breakdown()[name], groups)


def _near(found: Mapping[str, float], expected: Mapping[str, float]) -> None:
    assert found.keys() == expected.keys()
    one, other = (torch.tensor([scores[key] for key in expected]) for scores in (found, expected))
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6, equal_nan=True)


@TASK_CONTRACTS.add
def the_loss_weighs_what_it_counts(experiment: Experiment) -> None:
    """The mean of the losses of two halves, weighed by `counted`, is the loss of the whole."""
    task = experiment.task
    batch = task.sample("test", 0, ROWS)
    assert isinstance(task.spec.target, Tokens | Reals), "a task has a target"
    output = torch.randn(*batch.mask.shape, task.spec.target.size)
    halves = [share(batch, rank, 2) for rank in range(2)]
    parts = [
        (task.loss(output[rank::2], half), task.counted(half)) for rank, half in enumerate(halves)
    ]
    mean = sum(loss * counted for loss, counted in parts) / sum(counted for _, counted in parts)
    torch.testing.assert_close(torch.as_tensor(mean), task.loss(output, batch))
    assert task.metrics(output, batch)["loss"].weight == task.counted(batch)


@TASK_CONTRACTS.add
def a_perfect_output_scores_best(experiment: Experiment) -> None:
    """A perfect output has no loss and beats a random one in every metric; the floor is above 0."""
    task = experiment.task
    batch = task.sample("test", 0, ROWS)
    output = batch.target
    if isinstance(task.spec.target, Tokens):
        output = 50.0 * F.one_hot(batch.target, task.spec.target.vocab_size)
    perfect, random = (
        {name: float(mean.value) for name, mean in task.metrics(given, batch).items()}
        for given in (output, torch.randn(output.shape))
    )
    for name in perfect:
        worse, better = sorted((perfect[name], random[name]), reverse=task.mode(name) == "min")
        assert (worse, better) == (random[name], perfect[name]), name
    assert abs(perfect["loss"]) < 1e-6, perfect
    assert perfect.get("accuracy", 1.0) == perfect.get("exact_match", 1.0) == 1, perfect
    assert task.floor["loss"] > 0, task.floor


@TASK_CONTRACTS.where(lambda experiment: experiment.task.spec.feedback)
def an_answer_is_fed_back_as_the_next_input(experiment: Experiment) -> None:
    """Where the task says that answers are fed back, the next input holds the target."""
    task = experiment.task
    batch = task.sample("test", 0, ROWS)
    held = batch.mask[:, :-1] & batch.mask[:, 1:]  # an answer follows, so its input is real
    following = batch.input[:, 1:]
    if isinstance(task.spec.target, Reals):
        following = following[..., : task.spec.target.size]
    torch.testing.assert_close(following[held], batch.target[:, :-1][held])
