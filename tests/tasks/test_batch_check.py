"""A batch that is not what its task's spec says is refused, before any model reads it."""

from collections.abc import Callable

import pytest
import torch

from rnnlab.cli import train
from rnnlab.errors import ConfigError
from rnnlab.spec import Batch, Reals, TaskSpec, Tokens
from rnnlab.tasks.batch_check import checked
from rnnlab.tasks.copy import Copy
from rnnlab.testing.pairs import assemble
from rnnlab.testing.tasks import TASK_CONTRACTS
from tests.dear import dear_but
from tests.small_runs import tiny

SYMBOLS = TaskSpec(input=Tokens(5), target=Tokens(4), source=Tokens(3))
NUMBERS = TaskSpec(input=Reals(2), target=Reals(1), initial=Reals(6))
ONE = torch.ones(2, 3, dtype=torch.int64)
YES = ONE.bool()


def make_task(spec: TaskSpec) -> Copy:
    task = Copy("stream", 0, num_symbols=2, length=2, min_length=None, delay=1, answer="recall")
    task.spec = spec
    return task


def ids(**parts: torch.Tensor) -> Batch:
    return Batch(ONE, ONE, YES, source=ONE, source_mask=YES)._replace(**parts)


def numbers(**parts: torch.Tensor) -> Batch:
    vectors = torch.zeros(2, 3, 2)
    return Batch(vectors, vectors[..., :1], YES, initial=torch.zeros(2, 6))._replace(**parts)


def test_a_batch_as_the_spec_says_is_returned() -> None:
    for spec, batch in ((SYMBOLS, ids()), (NUMBERS, numbers(target_mask=YES[..., None]))):
        assert checked(make_task(spec), batch) is batch
    longer = ids(source=torch.ones(2, 7, dtype=torch.int64), source_mask=torch.ones(2, 7) > 0)
    assert checked(make_task(SYMBOLS), longer) is longer


def test_targets_that_nobody_answers_may_be_anything() -> None:
    target, mask = ONE.clone(), YES.clone()
    target[1, 2], mask[1, 2] = -100, False
    batch = ids(target=target, mask=mask)
    assert checked(make_task(SYMBOLS), batch) is batch
    with pytest.raises(ConfigError, match="target must be ids from 0 to 3, got -100"):
        checked(make_task(SYMBOLS), ids(target=target))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"input": 5 * ONE}, "input must be ids from 0 to 4, got 5"),
        ({"input": -ONE}, "input must be ids from 0 to 4, got -1"),
        ({"target": 4 * ONE}, "target must be ids from 0 to 3, got 4"),
        ({"source": 3 * ONE}, "source must be ids from 0 to 2, got 3"),
        ({"input": ONE.int()}, "input must be torch.int64 .* got torch.int32"),
        ({"input": ONE.double()}, "input must be torch.int64 .* got torch.float64"),
        ({"target": ONE[:, :2]}, r"target must be .*\(2, 3\), got .*\(2, 2\)"),
        ({"input": ONE[:1]}, r"input must be .*\(2, 3\), got .*\(1, 3\)"),
        ({"mask": YES.float()}, "mask must be torch.bool .* got torch.float32"),
        ({"mask": YES[..., None]}, "mask must be torch.bool"),
        ({"source_mask": YES[:, :1]}, "source_mask must be"),
    ],
)
def test_wrong_ids_and_masks(wrong: dict[str, torch.Tensor], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^Copy gave a wrong batch: {message}"):
        checked(make_task(SYMBOLS), ids(**wrong))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"input": torch.zeros(2, 3, 1)}, r"input must be torch.float32 of shape \(2, 3, 2\)"),
        ({"input": torch.zeros(2, 3, 2).double()}, "input must be torch.float32"),
        ({"target": torch.zeros(2, 3)}, r"target must be torch.float32 of shape \(2, 3, 1\)"),
        ({"initial": torch.zeros(2, 5)}, r"initial must be torch.float32 of shape \(2, 6\)"),
        ({"target_mask": YES}, "target_mask must be"),
    ],
)
def test_wrong_numbers(wrong: dict[str, torch.Tensor], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        checked(make_task(NUMBERS), numbers(**wrong))


Break = Callable[[Batch], Batch]
BROKEN: dict[str, tuple[Break, str]] = {
    "input": (lambda batch: batch._replace(input=batch.input + 99), "input must be ids from 0 to"),
    "int32": (lambda batch: batch._replace(input=batch.input.int()), "got torch.int32"),
    "target": (
        lambda batch: batch._replace(target=batch.target - 99),
        "target must be ids from 0 to",
    ),
}


PLACES = [["train", 0], ["train", 3], ["val", 0], ["val", 1]]


def broken(how: Break, split: str, first: int) -> Callable[..., Batch]:
    """`Copy.sample`, but for the batches of a split from one on."""
    right = Copy.sample

    def sample(self, of, index, batch_size, **more):
        batch = right(self, of, index, batch_size, **more)
        return how(batch) if of == split and index >= first else batch

    return sample


@pytest.mark.parametrize("precision", dear_but(["32-true"], ["32-true", "64-true"]))
@pytest.mark.parametrize("place", dear_but([PLACES[1], PLACES[2]], PLACES))
@pytest.mark.parametrize("kind", BROKEN)
def test_training_ends_with_one_line(
    kind: str, place: list, precision: str, run_main, monkeypatch, tmp_path
) -> None:
    how, message = BROKEN[kind]
    monkeypatch.setattr(Copy, "sample", broken(how, *place))
    words = tiny(tmp_path, f"trainer.precision={precision}")
    status, _, stderr = run_main(train.main, "rnnlab-train", *words)
    *_, last = stderr.splitlines()
    assert status == 2
    assert last.startswith("rnnlab-train: Copy gave a wrong batch: ")
    assert message in last
    assert "Traceback" not in stderr
    if place[1] == 0:
        assert not list(tmp_path.iterdir()), "nothing was written"


def test_the_contracts_of_tasks_see_it(monkeypatch) -> None:
    experiment = assemble("model=elman", "task=copy")
    (contract,) = (c for c in TASK_CONTRACTS if c.name == "batches_are_what_the_spec_says")
    contract.check(experiment)
    monkeypatch.setattr(Copy, "sample", broken(BROKEN["input"][0], "test", 0))
    with pytest.raises(AssertionError, match="test: Copy gave a wrong batch: input"):
        contract.check(experiment)
