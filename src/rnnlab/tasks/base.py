"""The base class of tasks: a spec, batches, metrics, and a text or picture of the answers."""

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
from rnnlab.spec import Batch, Layout, Port, Split, TaskSpec, Tokens
from rnnlab.tasks.lengths import Lengths


class Mean(NamedTuple):
    """A mean and its weight, so that the means of batches can be averaged exactly."""

    value: Tensor
    weight: Tensor


class Task(ABC):
    """What a model learns: batches of inputs and targets, a loss, and metrics.

    The program passes the constructor's positional arguments; its keyword-only arguments are the
    config keys. A task stores nothing between calls: any batch can be made again.

    Args:
        layout: the layout of the batches, which the model needs.
        seed: the seed of all random data.

    Attributes:
        spec: types of input and output.
        floor: for each metric, the score of the best answers without memory or without learning.
        higher_is_better: for each metric, whether higher values are better; a class with metrics of
            its own adds them: `{**Task.higher_is_better, "bits_per_char": False}`.
        scores_exact_match: whether answers that are tokens are scored by sequence, too.
        scores_free_run: whether free running is scored as well as teacher forcing, if answers are
            fed back.
        end: the end-of-sequence token, or `None`.
        never: tokens that are no answers, such as padding, which a beam search leaves out.
        lengths: the range of `length` in training; `None` if it can't be chosen.
        prompt_by_line: whether each line of a file is a prompt, or the whole file is one.
        one_length: whether all rows of a batch have the same length.
        causal: whether `sample` draws the length first and then all numbers as `(B, T, ...)`, with
            no step depending on later ones: a longer batch with the same numbers begins with it.
        stepwise: whether loss and metrics depend on the answered steps only, not on their position,
            so that outputs of the other steps need not be computed.
        problem: why the data can't be read, of a task with files, or `None`.
        symbols: what each token id means, if that comes from data; a run stores it.
        target_names: of the numbers of a target, in tables; empty for their places.
        written: how each token id of the input is written in pictures; empty for its number.
    """

    spec: TaskSpec
    floor: Mapping[str, float]
    higher_is_better: ClassVar[Mapping[str, bool]] = {
        "loss": False,
        "accuracy": True,
        "exact_match": True,
    }
    scores_exact_match: bool = True
    scores_free_run: bool = True
    end: int | None = None
    never: Sequence[int] = ()
    lengths: Lengths | None = None
    prompt_by_line: bool = True
    one_length: bool = False
    causal: bool = False
    stepwise: bool = False
    problem: str | None = None
    symbols: Sequence[str] = ()
    target_names: Sequence[str] = ()
    written: Sequence[str] = ()

    def __init__(self, layout: Layout, seed: int) -> None:
        self.layout = layout
        self.seed = seed

    def spec_of(self, read: Port, answered: Port, *, feedback: bool = False) -> TaskSpec:
        """Return a spec with one type of input, which an encoder reads as well if there is one."""
        source = read if self.layout == "encoder_decoder" else None
        return TaskSpec(input=read, target=answered, source=source, feedback=feedback)

    @abstractmethod
    def sample(
        self, split: Split, index: int, batch_size: int, *, length: int | None = None
    ) -> Batch:
        """Make batch `index` of a split, a pure function of (seed, split, index, batch_size).

        `length` replaces the configured length, for longer tests and curricula; its unit (symbols,
        digits, bits, steps) is that of the task's `length` key.
        """

    @property
    def trained_lengths(self) -> Lengths | None:
        """The range of `length` in training; `None` if it can't be chosen."""
        return self.lengths

    @property
    def trained_length(self) -> int | None:
        """The largest `length` in training; `None` if it can't be chosen."""
        return None if self.trained_lengths is None else self.trained_lengths.most

    def longest(self, length: int | None = None) -> int | None:
        """Return the most steps of a training sequence, or of its source if it has one.

        Values that the state is clamped to count as steps. `None` if sequences continue from batch
        to batch. `length` is as for `sample`.
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
        """Return the number of batches of a finite split; `None` if it is infinite."""
        return None

    def num_streams(self, split: Split) -> int | None:  # noqa: ARG002
        """Return the batch size of a held-out split whose sequences continue from batch to batch.

        The task fixes it, since scores depend on it; `None` allows any batch size.
        """
        return None

    def warnings(self) -> Iterator[str]:
        """Yield warnings about the data, printed before training."""
        yield from ()

    def rng(self, split: Split, index: int) -> np.random.Generator:
        """Return the random generator of batch `index` of a split; each batch has its own."""
        return generator(self.seed, split, index)

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """Return the mean cross-entropy in nats or squared error over the answered steps."""
        if isinstance(self.spec.target, Tokens):
            target = batch.target.masked_fill(~batch.mask, -100)
            return F.cross_entropy(output.flatten(0, 1), target.flatten(), ignore_index=-100)
        counts = taught(batch)
        error = (output - batch.target).masked_fill(~counts, 0.0)
        return error.square().sum() / counts.sum()

    @property
    def plain_loss(self) -> bool:
        """Whether `loss` is this class's, which a kernel may compute."""
        return type(self).loss is Task.loss

    def counted(self, batch: Batch) -> Tensor:
        """Return the weight of `loss`: the number of answered steps, or of target numbers there.

        It weights the losses of the batches of one update; a task with another loss overrides it.
        """
        tokens = isinstance(self.spec.target, Tokens)
        return batch.mask.sum() if tokens else taught(batch).sum()

    def metrics(self, output: Tensor, batch: Batch) -> dict[str, Mean]:
        """Score outputs `(B, T, O)` where the mask is True; `loss` is always among them.

        Tokens add `accuracy` per answered step, and by `scores_exact_match` also `exact_match` per
        sequence.
        """
        scores = {"loss": Mean(self.loss(output, batch), self.counted(batch))}
        if isinstance(self.spec.target, Tokens):
            steps = batch.mask.sum()
            right = (output.argmax(dim=2) == batch.target) | ~batch.mask
            answered = right & batch.mask
            scores["accuracy"] = Mean(answered.sum() / steps, steps)
            if self.scores_exact_match:
                rows = torch.tensor(batch.mask.shape[0], device=output.device)
                scores["exact_match"] = Mean(right.all(dim=1).float().mean(), rows)
        return scores

    def derived(self, means: Mapping[str, float]) -> dict[str, float]:  # noqa: ARG002
        """Return scores that are functions of means over a split, such as a perplexity."""
        return {}

    def mode(self, metric: str) -> Mode:
        """Return whether a lower (`min`) or a higher (`max`) metric is better, such as `val/loss`.

        Raises:
            ConfigError: `higher_is_better` lacks it.
        """
        name = base_name(metric)
        if name not in self.higher_is_better:
            raise ConfigError(
                f"{type(self).__name__}.higher_is_better must say whether higher values of {name} "
                f"are better, it has {', '.join(self.higher_is_better)}"
            )
        return "max" if self.higher_is_better[name] else "min"

    def fingerprint(self) -> str:
        """Return a hash of the spec and the symbols.

        A run stores it, so that a model is never used with the vocabulary of another file.
        """
        return hashlib.sha256(repr((self.spec, *self.symbols)).encode()).hexdigest()[:16]

    def scorer(self) -> "Scorer":
        """Return a scorer for a split; a task with scores that no mean gives has its own class."""
        return Scorer(self)

    @abstractmethod
    def show(self, batch: Batch, output: Tensor) -> str | Image.Image:
        """Show a few sequences of a batch beside the model's outputs, as a text or a picture."""

    def picture(self, batch: Batch, output: Tensor) -> Image.Image | None:  # noqa: ARG002
        """Draw the outputs of a task whose `show` returns a text; `None` if there is no picture."""
        return None

    def prompt(self, text: str | None, num_samples: int, length: int | None) -> Batch:
        """Make a batch for `rnnlab-sample`, whose answers the model generates.

        Tasks whose sequences can be typed read a text, and generate `length` answered steps. By
        default the prompts are sequences of the test split.

        Raises:
            ConfigError: the task takes no text, or the text has an unknown symbol.
        """
        if text is not None:
            raise ConfigError(
                f"prompt must be null, got {text!r}: this task shows sequences of its test split"
            )
        return self.sample("test", 0, num_samples, length=length)

    def show_answers(self, batch: Batch, answers: Tensor) -> str | Image.Image:
        """Show generated answers, `(B, T)` ids or `(B, T, O)` numbers, beside their prompts."""
        if isinstance(self.spec.target, Tokens):
            answers = F.one_hot(answers, self.spec.target.vocab_size)
        return self.show(batch, answers)

    def show_while_generating(
        self, batch: Batch, answers: Iterable[Tensor]
    ) -> Iterator[str | Image.Image]:
        """Yield what `show_answers` returns, in pieces, while the answers `(B,)` of steps arrive.

        By default it is one piece at the end.
        """
        yield self.show_answers(batch, torch.stack(list(answers), dim=1))

    def write_while_generating(self, batch: Batch, answers: Iterable[Tensor]) -> Iterator[str]:
        """Yield the text of the answers without the prompts, in pieces, while they arrive.

        By default it is one piece at the end, with a line for each of `answer_texts`.
        """
        yield "\n".join(self.answer_texts(batch, torch.stack(list(answers), dim=1)))

    def answer_texts(self, batch: Batch, answers: Tensor) -> list[str]:
        """Return each answer of ids `(B, T)` as a text without its prompt.

        A task whose answers are words overrides it.
        """
        raise NotImplementedError

    @property
    def answers_in_words(self) -> bool:
        """Whether there are `answer_texts`."""
        return type(self).answer_texts is not Task.answer_texts

    def table(self, batch: Batch, output: Tensor) -> list[list[str | float]]:
        """Return targets and outputs as a table with a heading and a row for each answered step."""
        columns = self.target_names or range(output.shape[2])
        names = [f"{side}_{column}" for side in ("truth", "answer") for column in columns]
        pairs = torch.cat([batch.target, output.to(batch.target)], dim=2)
        rows = [
            [row, step, *pairs[row, step].tolist()] for row, step in batch.mask.nonzero().tolist()
        ]
        return [["sequence", "step", *names], *rows]

    def labels(self, ids: Tensor) -> list[str]:
        """Return a label for each step of a sequence, for a picture's axis.

        Token ids `(T,)` are labelled as they are written, vectors `(T, I)` by their step.
        """
        if ids.dim() == 2:
            return [str(step) for step in range(len(ids))]
        return [self.written[i] if self.written else str(i) for i in ids.tolist()]

    def answer_labels(self, ids: Tensor) -> list[str]:
        """Return a label for each answer of a sequence `(T,)` or `(T, O)`.

        By default as inputs, or its number where inputs are symbols and answers are numbers.
        """
        if ids.dim() == 2 and isinstance(self.spec.input, Tokens):
            return [str(step) for step in range(len(ids))]
        return self.labels(ids)

    def alignment(self, batch: Batch) -> Tensor | None:  # noqa: ARG002
        """Return which source steps each answer depends on, `(B, T, S)` bool, to compare attention.

        A row without True is unknown; `None` if all are.
        """
        return None

    def over_picture(
        self,
        batch: Batch,  # noqa: ARG002
        row: int,  # noqa: ARG002
        weights: np.ndarray,  # noqa: ARG002
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the picture `(N, N)` that a row's source shows, and attention weights over it.

        Grey levels are 0 for white to 1. The weights `(A, S)` of A answers on S source steps become
        `(A, N, N)`, 0 to 1. `None` if the source is no picture.
        """
        return None

    def phases(self, batch: Batch) -> Tensor | None:  # noqa: ARG002
        """Return the phase of each target in turns, `(B, T)` in [0, 1); `None` without a period."""
        return None


def taught(batch: Batch) -> Tensor:
    """Return which numbers of the target `(B, T, O)` count in the loss."""
    answered = batch.mask[..., None].expand_as(batch.target)
    return answered if batch.target_mask is None else answered & batch.target_mask


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
        """Add the metrics of one batch."""
        for name, (value, weight) in means.items():
            # A mean of no values is NaN, with weight 0.
            self._add(name, torch.where(weight > 0, value * weight, 0), weight)

    def compute(self) -> dict[str, float]:
        """Return the mean of each metric over all batches, and what derives from them."""
        means = {
            name: float(total / weight) for name, (total, weight) in self._totals.items() if weight
        }
        return means | self.task.derived(means)

    def parts(self) -> Any:
        """Return all sums, on the CPU, for `merge` in another process.

        Raises:
            ConfigError: a subclass has more attributes, but no `parts` of its own.
        """
        more = vars(self).keys() - {"task", "_totals"}
        if more and type(self).parts is Scorer.parts:
            raise ConfigError(
                f"{type(self).__name__} must have parts and merge that hand over "
                f"{', '.join(more)}, where several processes score"
            )
        return {name: [part.cpu() for part in total] for name, total in self._totals.items()}

    def merge(self, parts: Any) -> None:
        """Add the `parts` of another scorer."""
        for name, (total, weight) in parts.items():
            self._add(name, total, weight)

    def _add(self, name: str, total: Tensor, weight: Tensor) -> None:
        so_far = self._totals.get(name)
        self._totals[name] = (
            [total, weight] if so_far is None else [so_far[0] + total, so_far[1] + weight]
        )

    def breakdown(self) -> dict[str, dict[str, float]]:
        """Return scores of groups of the data, for results.json: name -> group -> value."""
        return {}
