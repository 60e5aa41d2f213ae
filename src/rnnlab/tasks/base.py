"""The task contract: a spec, batches from a given random stream, scores, and a thing to look at."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from rnnlab.errors import ConfigError
from rnnlab.metric import Mode, base_name
from rnnlab.random_streams import generator
from rnnlab.spec import Batch, Layout, Split, TaskSpec, Tokens
from rnnlab.tasks.lengths import Lengths


class Mean(NamedTuple):
    """A mean and what it was taken over, so that means of batches add up to a true mean."""

    value: Tensor
    weight: Tensor


class Task(ABC):
    """A kind of problem.

    The constructor's positional arguments are given by the program, its keyword-only ones are the
    config keys. A task keeps nothing between calls: any batch can be made again.

    Args:
        layout: how sequences are laid out, which the model says.
        seed: of all data.

    Attributes:
        spec: what a model must know.
        floor: for each metric, what the best answer scores without memory or without learning.
        higher_is_better: for each metric, whether higher values are better; a class with metrics of
            its own adds them: `{**Task.higher_is_better, "bits_per_char": False}`.
        scores_free_run: whether running free of the targets is scored too (it is where answers
            are fed back and have one right continuation).
        end: the token after which an answer is over, or `None`.
        lengths: what `length` and `min_length` say, where a task draws its own lengths.
        prompt_by_line: whether each line of a file of prompts is one, or all of it together.
        one_length: whether all rows of a batch have one length, drawn for each batch.
        causal: whether a batch draws its length and then numbers for each step, `(B, T, ...)`, of
            which no step reads later ones: it is the beginning of the longer one that has the same
            numbers, and 0 after them.
        problem: why it has no data, of a task whose files can't be read; `None` where it has.
        stepwise: whether its scores look at nothing but the answered steps, and not at where they
            stand, so that these can be given alone.
    """

    spec: TaskSpec
    floor: Mapping[str, float]
    higher_is_better: ClassVar[Mapping[str, bool]] = {
        "loss": False,
        "accuracy": True,
        "exact_match": True,
    }
    scores_free_run: bool = True
    end: int | None = None
    lengths: Lengths | None = None
    prompt_by_line: bool = True
    one_length: bool = False
    causal: bool = False
    stepwise: bool = False
    problem: str | None = None

    def __init__(self, layout: Layout, seed: int) -> None:
        self.layout = layout
        self.seed = seed

    @abstractmethod
    def sample(
        self, split: Split, index: int, batch_size: int, *, length: int | None = None
    ) -> Batch:
        """Make batch `index` of a split, a pure function of (seed, split, index, batch_size).

        `length` replaces the configured length: a longer test, a step of a curriculum. What it
        counts (symbols, digits, bits, steps) is the task's `length` key.
        """

    @property
    def trained_lengths(self) -> Lengths | None:
        """The `length` of training sequences, from and to; `None` where it can't be chosen."""
        return self.lengths

    @property
    def trained_length(self) -> int | None:
        """The longest of them."""
        return None if self.trained_lengths is None else self.trained_lengths.most

    def longest(self, length: int | None = None) -> int | None:
        """Count the steps that reach back from the end of the longest training sequence.

        Of the encoder-decoder layout it is the source; what the state is clamped to counts too.
        `None` where sequences go on from batch to batch. `length` is as for `sample`.
        """
        if length is None and self.lengths is not None:
            length = self.lengths.most
        batch = self.sample("train", 0, 1, length=length)
        if batch.first is not None:
            return None
        read = batch.input if batch.source is None else batch.source
        clamped = 0 if batch.initial is None else -(-batch.initial.shape[1] // read.shape[2])
        return read.shape[1] + clamped

    def num_batches(self, split: Split, batch_size: int) -> int | None:  # noqa: ARG002
        """How many batches a split holds before it repeats; `None` means no end."""
        return None

    def num_streams(self, split: Split) -> int | None:  # noqa: ARG002
        """Say how many rows a held-out split is scored in, where they go on from batch to batch.

        It is the task's to say, for a score would depend on the number. `None` means any.
        """
        return None

    def warnings(self) -> Iterator[str]:
        """Say what a person should know of the data before anything is trained on them."""
        yield from ()

    def rng(self, split: Split, index: int) -> np.random.Generator:
        """Give the random stream of batch `index` of a split; no two batches share one."""
        return generator(self.seed, split, index)

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """Mean over the answered steps: cross-entropy in nats, or squared error per number."""
        if isinstance(self.spec.target, Tokens):
            target = batch.target.masked_fill(~batch.mask, -100)
            return F.cross_entropy(output.flatten(0, 1), target.flatten(), ignore_index=-100)
        taught = _taught(batch)
        error = (output - batch.target).masked_fill(~taught, 0.0)
        return error.square().sum() / taught.sum()

    def counted(self, batch: Batch) -> Tensor:
        """Count what `loss` is the mean over: answered steps, or numbers that are taught there.

        By it the losses of several batches are weighed where they make one update; a task whose
        loss is another mean counts what that is taken over.
        """
        tokens = isinstance(self.spec.target, Tokens)
        return batch.mask.sum() if tokens else _taught(batch).sum()

    def metrics(self, output: Tensor, batch: Batch) -> dict[str, Mean]:
        """Score outputs `(B, T, O)` where the mask is True; `loss` is always among them.

        Tokens add `accuracy` per answered step, and `exact_match` per sequence.
        """
        scores = {"loss": Mean(self.loss(output, batch), self.counted(batch))}
        if isinstance(self.spec.target, Tokens):
            steps = batch.mask.sum()
            right = (output.argmax(dim=2) == batch.target) | ~batch.mask
            answered = right & batch.mask
            rows = torch.tensor(batch.mask.shape[0], device=output.device)
            scores["accuracy"] = Mean(answered.sum() / steps, steps)
            scores["exact_match"] = Mean(right.all(dim=1).float().mean(), rows)
        return scores

    def mode(self, metric: str) -> Mode:
        """Tell whether a metric is best at its `min` or `max`, of any split and free running too.

        Raises:
            ConfigError: the class doesn't say.
        """
        name = base_name(metric)
        if name not in self.higher_is_better:
            raise ConfigError(
                f"{type(self).__name__}.higher_is_better must say whether higher values of {name} "
                f"are better, it has {', '.join(self.higher_is_better)}"
            )
        return "max" if self.higher_is_better[name] else "min"

    def fingerprint(self) -> str:
        """Tell what a model learns of the task from others: its sizes, and what its ids mean.

        A run keeps it, so that a model never answers in the vocabulary of another file.
        """
        return hashlib.sha256(repr((self.spec, *self.meanings())).encode()).hexdigest()[:16]

    def meanings(self) -> Sequence[str]:
        """Give what each id stands for, where that comes from data; the rest is in the code."""
        return ()

    def scorer(self) -> "Scorer":
        """Give what adds up scores over batches; a task with other than means has its own."""
        return Scorer(self)

    @abstractmethod
    def show(self, batch: Batch, output: Tensor) -> str | Image.Image:
        """Lay a few sequences of `batch` beside the model's `output`, for a person to look at."""

    def picture(self, batch: Batch, output: Tensor) -> Image.Image | None:  # noqa: ARG002
        """Draw how well `output` answers, for a task whose `show` is a text; `None` for nothing."""
        return None

    def prompt(self, text: str | None, num_samples: int, length: int | None) -> Batch:
        """Lay out what a model is to go on from, for `rnnlab-sample`; targets may be unknown.

        A task whose sequences a person can type takes a text, and `length` answered steps; this
        one takes sequences of its test split.

        Raises:
            ConfigError: a text was given to a task that takes none, or has a symbol too many.
        """
        if text is not None:
            raise ConfigError(
                f"prompt must be null, got {text!r}: {type(self).__name__} shows sequences of its "
                "test split"
            )
        return self.sample("test", 0, num_samples, length=length)

    def tell(self, batch: Batch, answers: Tensor) -> str | Image.Image:
        """Show what a model answered to `prompt`: `(B, T)` ids or `(B, T, O)` numbers."""
        if isinstance(self.spec.target, Tokens):
            answers = F.one_hot(answers, self.spec.target.vocab_size)
        return self.show(batch, answers)

    def telling(self, batch: Batch, answers: Iterable[Tensor]) -> Iterator[str | Image.Image]:
        """Tell of answers `(B,)` to `prompt` as one step after another comes, in pieces of a text.

        Together the pieces are `tell`. This waits for all; a task whose texts go on long doesn't.
        """
        yield self.tell(batch, torch.stack(list(answers), dim=1))

    def spell(self, batch: Batch, answers: Iterable[Tensor]) -> Iterator[str]:  # noqa: ARG002
        """Spell answers to `prompt` alone, without what was asked, in pieces as they come.

        Raises:
            ConfigError: they are no text.
        """
        raise ConfigError(
            f"answer_file must be null: {type(self).__name__} has no answers in words of their own"
        )

    def table(self, batch: Batch, output: Tensor) -> list[list[str | float]]:
        """Give truth and answers in numbers as rows under a heading: sequence, step, numbers."""
        sides = ("truth", "answer")
        names = [f"{side}_{i}" for side in sides for i in range(output.shape[2])]
        pairs = torch.cat([batch.target, output.to(batch.target)], dim=2)
        rows = [
            [row, step, *pairs[row, step].tolist()] for row, step in batch.mask.nonzero().tolist()
        ]
        return [["sequence", "step", *names], *rows]

    def labels(self, ids: Tensor) -> list[str]:
        """Name the symbols or steps of a sequence `(T,)` or `(T, I)`, for a picture's axis."""
        return (
            [str(i) for i in ids.tolist()] if ids.dim() == 1 else [str(t) for t in range(len(ids))]
        )

    def alignment(self, batch: Batch) -> Tensor | None:  # noqa: ARG002
        """Tell which source steps each answer is made of, `(B, T, S)` bool, for attention.

        A row without True is an answer of which nobody can say; `None` is a task of such.
        """
        return None

    def phases(self, batch: Batch) -> Tensor | None:  # noqa: ARG002
        """Tell where in its period each target is, `(B, T)` turns in [0, 1); `None` without one."""
        return None


def _taught(batch: Batch) -> Tensor:
    """Tell which numbers of the target `(B, T, O)` are taught."""
    taught = batch.mask[..., None].expand_as(batch.target)
    return taught if batch.target_mask is None else taught & batch.target_mask


class Scorer:
    """Adds up a task's metrics over batches.

    Sums stay on the device until `compute`, so that scoring a batch waits for nothing.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self._totals: dict[str, list[Tensor]] = {}

    def update(self, output: Tensor, batch: Batch) -> None:
        """Score one batch."""
        self.add(self.task.metrics(output, batch))

    def add(self, means: Mapping[str, Mean]) -> None:
        """Add the means of one batch."""
        for name, (value, weight) in means.items():
            # A mean over nothing is NaN; it weighs nothing here.
            self._add(name, torch.where(weight > 0, value * weight, 0), weight)

    def compute(self) -> dict[str, float]:
        """Give the mean of each metric over everything that was counted."""
        return {
            name: float(total / weight) for name, (total, weight) in self._totals.items() if weight
        }

    def parts(self) -> Any:
        """Give all that was added up, on the CPU, for `merge` in another process.

        Raises:
            ConfigError: the scorer keeps more, and has no `parts` of its own to hand it over.
        """
        more = vars(self).keys() - {"task", "_totals"}
        if more and type(self).parts is Scorer.parts:
            raise ConfigError(
                f"{type(self).__name__} must have parts and merge that hand over "
                f"{', '.join(more)}, where several processes score"
            )
        return {name: [part.cpu() for part in total] for name, total in self._totals.items()}

    def merge(self, parts: Any) -> None:
        """Add what the `parts` of another scorer tell; a scorer that keeps more extends both."""
        for name, (total, weight) in parts.items():
            self._add(name, total, weight)

    def _add(self, name: str, total: Tensor, weight: Tensor) -> None:
        so_far = self._totals.get(name)
        self._totals[name] = (
            [total, weight] if so_far is None else [so_far[0] + total, so_far[1] + weight]
        )

    def breakdown(self) -> dict[str, dict[str, float]]:
        """Give scores by something else, such as by length: name -> group -> value.

        They go to results.json alone, and need not be in `compute`.
        """
        return {}
