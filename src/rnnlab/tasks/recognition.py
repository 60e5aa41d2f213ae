"""Recognition: a sequence is read, and its class is named at the end or at every step."""

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from rnnlab.errors import ConfigError
from rnnlab.plots.draw import heat_map, join, line_plot
from rnnlab.spec import Batch, Layout, Reals, Tokens
from rnnlab.tasks.base import Mean, Scorer, Task
from rnnlab.tasks.classifiers import linear_readout, nearest_neighbour
from rnnlab.tasks.corpus import TextFiles
from rnnlab.tasks.file_task import StoredSymbols
from rnnlab.tasks.keeping_scorer import KeepingScorer
from rnnlab.tasks.own_input import Cell, OwnInput
from rnnlab.tasks.rows import RowTask

_COMPARED = 4000, 1000  # most sequences of train and of test for the baselines
_COLUMNS = 18  # most steps of a picture of probabilities, whose numbers stand side by side

Answered = Literal["last", "everywhere"]


class Recording(NamedTuple):
    """A sequence and its class.

    Attributes:
        values: `(T, I)`.
        label: name of the class.
    """

    values: NDArray[np.float32]
    label: str


class Recognition(RowTask[Recording], OwnInput):
    """Name the class of a sequence of vectors after its last step.

        input    x1 x2 x3 x4
        target   _  _  _  c
        mask     .  .  .  x

    With `answer=everywhere` it is named after every step. In the encoder-decoder layout the encoder
    reads the sequence, and the decoder, whose inputs are zeros, gives the same answers. Inputs are
    standardised by mean and standard deviation of train, each channel for itself.

    The floors are the scores on test of the commonest class of train (`accuracy`, and for `loss`
    the entropy of the classes), of the nearest neighbour (`accuracy_nearest_neighbour`, Euclidean)
    and of a linear readout of all steps at once (`accuracy_linear_readout`). The last two learn
    from train and val, 4000 sequences at most, and are tested on 1000 at most; a sequence ends, or
    goes on as the mean of train, where the longest that they know ends.

    Args:
        stored: the classes of a trained model.
        files: the files.
        answer: which steps are answered.

    Attributes:
        symbols: the names of the classes, sorted.
        narrow: whether three pictures of sequences have room beside each other, or two.
    """

    narrow: ClassVar[bool] = False
    by_line = False
    predicted = ("number", "prediction", "probability")
    higher_is_better: ClassVar = {**Task.higher_is_better, "accuracy_at_end": True}

    def __init__(
        self,
        layout: Layout,
        seed: int,
        stored: StoredSymbols | None,
        files: TextFiles,
        answer: Answered,
    ) -> None:
        self.everywhere = answer == "everywhere"
        self.scores_exact_match = self.everywhere  # of one answer: the accuracy
        super().__init__(layout, seed, stored, files)
        rows = self.rows.all
        found = {row.label for row in rows}
        self.symbols = tuple(self.stored_symbols or sorted(found))
        self._ids = {name: index for index, name in enumerate(self.symbols)}
        if strange := sorted(found - {*self.symbols}):
            raise ConfigError(
                f"task: the classes must be those that were learnt, {', '.join(self.symbols)}, got "
                f"{', '.join(strange)}"
            )
        size = rows[0].values.shape[1] if rows else 1
        self.mean: Any = 0.0
        self.deviation: Any = 1.0
        if rows:
            self.mean, self.deviation = self.moments(self.rows["train"])
        self.spec = self.spec_of(Reals(size), Tokens(len(self.symbols)))

    def moments(self, rows: Sequence[Recording]) -> tuple[Any, Any]:
        """Return mean and standard deviation of the inputs; of a constant one it is 1."""
        values = np.concatenate([row.values for row in rows])
        deviation = values.std(0)
        return values.mean(0), np.where(deviation > 0, deviation, 1)

    def identity(self, row: Recording) -> str:
        """Return the numbers of a sequence, which must not stand in two splits."""
        return hashlib.sha256(row.values.tobytes()).hexdigest()

    def lay_out(self, rows: Sequence[Recording]) -> Batch:
        """Make a batch of sequences, right-padded with zeros."""
        inputs, lengths = self._padded(rows)
        answers = torch.tensor([self._ids[row.label] for row in rows])
        return label_batch(self.layout, inputs, lengths, answers, everywhere=self.everywhere)

    def _padded(self, rows: Sequence[Recording]) -> tuple[Tensor, Tensor]:
        """Return standardised sequences `(B, T, I)`, and their lengths `(B,)`."""
        sequences = [
            torch.from_numpy(((row.values - self.mean) / self.deviation).astype(np.float32))
            for row in rows
        ]
        lengths = torch.tensor([len(sequence) for sequence in sequences])
        return torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True), lengths

    def read_input(self, text: str, key: str, path: str) -> list[tuple[int, Recording]]:
        """Number the sequences of a file, whose classes are not read."""
        if self.problem is not None:
            raise ConfigError(f"inputs can't be standardised as in training: {self.problem}")
        size = self.spec.input.size
        rows = [*enumerate(self.parse(text, key, path), start=1)]
        for number, row in rows:
            if row.values.shape[1] != size:
                raise ConfigError(
                    f"{key}: sequence {number} of {path} must have {size} numbers a step, as "
                    f"in training, got {row.values.shape[1]}"
                )
        return rows

    def input_batch(self, examples: Sequence[tuple[int, Recording]], length: int | None) -> Batch:
        """Make a batch of sequences."""
        if length is not None:
            raise ConfigError(f"length must be null, got {length}: a sequence has one class")
        return self.lay_out([row._replace(label=self.symbols[0]) for _, row in examples])

    def predictions(
        self,
        examples: Sequence[tuple[int, Recording]],
        batch: Batch,
        answers: Tensor,  # noqa: ARG002
        outputs: Tensor | None,
    ) -> list[list[Cell]]:
        """Return the number of each sequence, its class and the probability."""
        assert outputs is not None
        last = outputs[torch.arange(len(outputs)), _last_answered(batch)]
        named = likeliest(last, self.symbols)
        return [[number, *cells] for (number, _), cells in zip(examples, named, strict=True)]

    def metrics(self, output: Tensor, batch: Batch) -> dict[str, Mean]:
        """Compute the loss in nats and the accuracy; of several answers also that of the last."""
        scores = super().metrics(output, batch)
        if self.everywhere:
            right, claim = last_answers(output, batch)
            rows = torch.tensor(len(right), device=output.device)
            scores["accuracy_at_end"] = Mean((right == claim).float().mean(), rows)
        return scores

    def scorer(self) -> Scorer:
        """Return a scorer that also scores each class."""
        return RecognitionScorer(self, self.symbols)

    @cached_property
    def floor(self) -> Mapping[str, float]:  # type: ignore[override]  # computed on first use
        """Scores of the commonest class, the nearest neighbour and a linear readout."""
        known = [*self.rows["train"], *self.rows["val"]]
        parts = zip((known, self.rows["test"]), _COMPARED, strict=True)
        rows = [_some(part, most) for part, most in parts]
        steps = max(len(row.values) for row in rows[0])
        train, test = (
            torch.nn.functional.pad(inputs, (0, 0, 0, max(0, steps - inputs.shape[1])))[:, :steps]
            for inputs in (self._padded(part)[0] for part in rows)
        )
        classes, right = (torch.tensor([self._ids[row.label] for row in part]) for part in rows)
        near = nearest_neighbour(train.flatten(1), classes, test.flatten(1))
        linear = linear_readout(train.flatten(1), classes, test.flatten(1), len(self.symbols))
        answers = (
            [row for row in self.rows[split] for _ in (row.values if self.everywhere else (0,))]
            for split in ("train", "test")
        )
        return label_floors(*answers) | {
            "accuracy_nearest_neighbour": float((near == right).float().mean()),
            "accuracy_linear_readout": float((linear == right).float().mean()),
        }

    def show(self, batch: Batch, output: Tensor) -> Image.Image:
        """Draw sequences, and below them the probability of each class as the model reads on.

        They are from all over the batch, which may be sorted by class, and stand side by side,
        since the cards of TensorBoard are wider than high.
        """
        pictures = []
        count = 3 if self.narrow else 2
        for row in np.unique(np.linspace(0, len(output) - 1, count).round().astype(int)).tolist():
            read, asked = what_is_read(batch, row), batch.mask[row]
            values = read.cpu().numpy() * self.deviation + self.mean
            right = self.symbols[int(batch.target[row][asked][-1])]
            claim = self.symbols[int(output[row][asked][-1].argmax())]
            verdict = f"target {right}" if claim == right else f"target {right}, answer {claim}"
            steps = _last_answered(batch)[row] + 1
            beliefs = output[row, :steps].float().softmax(-1).cpu().numpy()
            shown = np.unique(np.linspace(0, len(beliefs) - 1, _COLUMNS).round().astype(int))
            first = 1 if len(beliefs) > 1 else len(read)
            belief = heat_map(
                beliefs[shown].T,
                row_labels=self.symbols,
                column_labels=[str(first + step) for step in shown],
                title="probability of each class after steps"
                if len(beliefs) > 1
                else "probability",
                limits=(0, 1),
            )
            pictures.append(join([self.draw(values, verdict), belief], vertical=True))
        return join(pictures)

    def draw(self, values: NDArray[np.float32], title: str) -> Image.Image:
        """Draw a sequence `(T, I)`."""
        channels = {f"x{i + 1}": {"x": values[:, i]} for i in range(min(6, values.shape[1]))}
        return line_plot(channels, title=title, x_label="step", x_start=1)


class RecognitionScorer(KeepingScorer):
    """Adds up metrics over batches, and the accuracy of each class, of the last answers.

    Args:
        task: whose sequences have a class.
        names: of the classes.
    """

    def __init__(self, task: Task, names: Sequence[str]) -> None:
        super().__init__(task)
        self._names = names

    def keep(self, output: Tensor, batch: Batch) -> tuple[Tensor, ...]:
        """Return the right and the claimed class of each sequence."""
        return last_answers(output, batch)

    def breakdown(self) -> dict[str, dict[str, float]]:
        """Return the accuracy and the number of sequences of each class."""
        if not self.kept:
            return {}
        right, claim = (torch.cat(parts) for parts in zip(*self.kept, strict=True))
        scores: dict[str, dict[str, float]] = {"accuracy_by_class": {}, "sequences_by_class": {}}
        for index in right.unique().long().tolist():
            here = right == index
            name = self._names[index]
            scores["accuracy_by_class"][name] = float((claim == right)[here].float().mean())
            scores["sequences_by_class"][name] = float(here.sum())
        return scores


def label_batch(
    layout: Layout, inputs: Tensor, lengths: Tensor, answers: Tensor, *, everywhere: bool
) -> Batch:
    """Make a batch in which each sequence is answered after its last step, or after every one.

    Args:
        layout: of the batch.
        inputs: `(B, T)` ids or `(B, T, I)` numbers, right-padded.
        lengths: `(B,)` steps of each.
        answers: `(B,)` ids.
        everywhere: whether all steps are answered.
    """
    steps = torch.arange(inputs.shape[1])
    known = steps < lengths[:, None]
    mask = known if everywhere else steps == lengths[:, None] - 1
    target = torch.where(mask, answers[:, None], 0)
    if layout == "stream":
        return Batch(inputs, target, mask)
    if not everywhere:
        target, mask = answers[:, None], torch.ones(len(answers), 1, dtype=torch.bool)
    asked = torch.zeros_like(inputs[:, : target.shape[1]])
    return Batch(asked, target, mask, source=inputs, source_mask=known)


def last_answers(output: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the right and the claimed ids `(B,)` at the last answered step of each sequence."""
    last = _last_answered(batch)[:, None]
    right, claim = (ids.gather(1, last)[:, 0] for ids in (batch.target, output.argmax(dim=2)))
    return right, claim


def _last_answered(batch: Batch) -> Tensor:
    """Return the last answered step of each sequence, `(B,)`."""
    return batch.mask.int().cumsum(1).argmax(1)


def likeliest(logits: Tensor, names: Sequence[str]) -> list[list[Cell]]:
    """Return the likeliest of the names by logits `(B, V)`, each with its probability."""
    probabilities, ids = logits.float().softmax(-1).max(-1)
    pairs = zip(ids.tolist(), probabilities.tolist(), strict=True)
    return [[names[index], probability] for index, probability in pairs]


def label_floors(train: Sequence[Any], test: Sequence[Any]) -> dict[str, float]:
    """Score on test the commonest label of train, and the labels' frequencies.

    The loss, in nats, is that of each label's frequency in train with one more count, so that a
    label without example has a probability.
    """
    counts = Counter(row.label for row in train)
    labels = {*counts, *(row.label for row in test)}
    total = counts.total() + len(labels)
    commonest = max(sorted(counts), key=lambda label: counts[label])
    return {
        "loss": -sum(math.log((counts[row.label] + 1) / total) for row in test) / len(test),
        "accuracy": sum(row.label == commonest for row in test) / len(test),
    }


def _some(rows: list[Recording], most: int) -> list[Recording]:
    """Return at most so many rows, from all over the list."""
    return rows[:: -(-len(rows) // most)]


def what_is_read(batch: Batch, row: int) -> Tensor:
    """Return what a row reads, up to the last answer, as `(T,)` ids or `(T, I)` numbers."""
    if batch.source is not None and batch.source_mask is not None:
        return batch.source[row][batch.source_mask[row]]
    return batch.input[row, : _last_answered(batch)[row] + 1]
