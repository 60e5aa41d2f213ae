"""Labels: a text is read, and its label named at the end."""

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from rnnlab.errors import ConfigError
from rnnlab.ranges import DataFile, PositiveInt
from rnnlab.spec import Batch, Layout, Split, Tokens
from rnnlab.spelling import brief
from rnnlab.stackable import stackable
from rnnlab.tasks.base import Scorer
from rnnlab.tasks.corpus import TextFiles, refuse_without_path
from rnnlab.tasks.file_task import StoredSymbols
from rnnlab.tasks.own_input import Cell, OwnInput
from rnnlab.tasks.pairs import read_pairs
from rnnlab.tasks.recognition import (
    RecognitionScorer,
    label_batch,
    label_floors,
    likeliest,
    what_is_read,
)
from rnnlab.tasks.rows import RowTask
from rnnlab.tasks.shown_by_row import ShownByRow
from rnnlab.tasks.toy_french.clauses import clauses
from rnnlab.tasks.vocabulary import UNKNOWN, choose_symbols
from rnnlab.tasks.words import cut_words

_MARK = "="  # before a label among the symbols that a run stores


class Labelled(NamedTuple):
    """A text and its label."""

    text: str
    label: str


@stackable()
class Labels(RowTask[Labelled], ShownByRow, OwnInput):
    """Name the label of a text after its last symbol.

        input    l e   c h a t
        target   _ _ _ _ _ _ French
        mask     . . . . . . x

    Without a file the texts are phrases of the toy grammar of `Translation`, in two languages:
    French has accents, English has none, and many phrases have neither.

    The floors are scores on test of the commonest label (`accuracy`), of the labels' frequencies
    (`loss`), and of the symbols that a text has, in whatever order, by naive Bayes
    (`accuracy_naive_bayes`; Maron, 1961).

    Args:
        stored: the labels and symbols of a trained model.
        path: a file of lines `text<TAB>label`; `null` for phrases in English and French.
        val_path: such a file to validate on; `null` for a tenth of `path`.
        test_path: such a file to test on; `null` for a tenth of `path`.
        encoding: Python's name of the files' encoding; `null` for UTF-8.
        level: whether symbols are characters or words.
        min_count: minimum number of occurrences in train of a symbol in the vocabulary, others are
            `<unk>`; `null` for all symbols of the files.

    Attributes:
        symbols: the labels, each after `=`, then the symbols of texts.
    """

    predicted = ("prediction", "probability")
    shown_rows = 8
    scores_exact_match = False  # of one answer: the accuracy

    def __init__(
        self,
        layout: Layout,
        seed: int,
        stored: StoredSymbols | None = None,
        *,
        path: DataFile | None,
        val_path: DataFile | None,
        test_path: DataFile | None,
        encoding: str | None,
        level: Literal["character", "word"],
        min_count: PositiveInt | None,
    ) -> None:
        self.by_word = level == "word"
        files = TextFiles(path, val_path, test_path, encoding)
        if path is None:
            refuse_without_path(val_path=val_path, test_path=test_path)
            files = Phrases("the toy grammar")
        super().__init__(layout, seed, stored, files)
        known = self.stored_symbols or ()
        learnt = [symbol for symbol in known if not _is_label(symbol)]
        found = {row.label for row in self.rows.all}
        names = [symbol[1:] for symbol in known if _is_label(symbol)] or sorted(found)
        if strange := sorted(found - {*names}):
            raise ConfigError(
                f"task: the labels must be those that were learnt, {', '.join(names)}, got "
                f"{', '.join(strange)}"
            )
        self.names = tuple(names)
        if self.problem is None:
            counts = Counter(symbol for row in self.rows["train"] for symbol in self.cut(row.text))
            others = (symbol for row in self.rows.all for symbol in self.cut(row.text))
            learnt = choose_symbols(counts, others, min_count, learnt or None)
        self.symbols = (*(_MARK + name for name in self.names), *learnt)
        self._text_ids = {symbol: index for index, symbol in enumerate(learnt)}
        self._label_ids = {name: index for index, name in enumerate(self.names)}
        self.written = tuple(learnt)
        self.spec = self.spec_of(Tokens(len(learnt)), Tokens(len(self.names)))

    def parse(self, text: str, key: str, path: str) -> list[Labelled]:
        """Read the lines of a file."""
        pairs = read_pairs(text, key, path, "a text, a tab and its label")
        return [Labelled(*pair) for pair in pairs]

    def identity(self, row: Labelled) -> str:
        """Return the text, which must not stand in two splits."""
        return row.text

    def cut(self, text: str) -> list[str]:
        """Split a text into characters or words."""
        return cut_words(text) if self.by_word else list(text)

    def encode(self, text: str) -> list[int]:
        """Convert a text to ids.

        Raises:
            ConfigError: it is empty, or a symbol is neither known nor replaced by `<unk>`.
        """
        symbols = self.cut(text)
        unknown = self._text_ids.get(UNKNOWN)
        ids = [self._text_ids.get(symbol, unknown) for symbol in symbols]
        if not ids or None in ids:
            wrong = symbols[ids.index(None)] if ids else ""
            raise ConfigError(
                f"a text must be of the {len(self._text_ids)} symbols that the task has, one or "
                f"more, got {wrong!r} in {brief(text, 40)!r}"
            )
        return [index for index in ids if index is not None]

    def lay_out(self, rows: Sequence[Labelled]) -> Batch:
        """Make a batch of texts, right-padded."""
        return self._batch([row.text for row in rows], [self._label_ids[row.label] for row in rows])

    def _batch(self, texts: Sequence[str], answers: Sequence[int]) -> Batch:
        ids = [torch.tensor(self.encode(text)) for text in texts]
        lengths = torch.tensor([len(row) for row in ids])
        inputs = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True)
        return label_batch(self.layout, inputs, lengths, torch.tensor(answers), everywhere=False)

    def scorer(self) -> Scorer:
        """Return a scorer that also scores each label."""
        return RecognitionScorer(self, self.names)

    @cached_property
    def floor(self) -> Mapping[str, float]:  # type: ignore[override]  # computed on first use
        """Scores of the labels' frequencies, and of naive Bayes."""
        train, test = self.rows["train"], self.rows["test"]
        counts = torch.ones(len(self.names), self.spec.input.size)
        for row in train:
            counts[self._label_ids[row.label], self.encode(row.text)] += 1
        labels = torch.tensor([self._label_ids[row.label] for row in train])
        prior = torch.bincount(labels, minlength=len(self.names)).log()
        nats = (counts / counts.sum(1, keepdim=True)).log()
        right = [
            int((prior + nats[:, self.encode(row.text)].sum(1)).argmax())
            == self._label_ids[row.label]
            for row in test
        ]
        return label_floors(train, test) | {"accuracy_naive_bayes": sum(right) / len(right)}

    def prompt(self, text: str | None, num_samples: int, length: int | None) -> Batch:
        """Make a batch of a text, or of test texts."""
        if text is None:
            return super().prompt(text, num_samples, None)
        return self.input_batch([text] * num_samples, length)

    def read_input(self, text: str, key: str, path: str) -> list[str]:  # noqa: ARG002
        """Return a text as those of files are read, if it is of known symbols."""
        text = unicodedata.normalize("NFC", text).strip()
        self.encode(text)
        return [text]

    def input_batch(self, examples: Sequence[str], length: int | None) -> Batch:
        """Make a batch of texts."""
        if length is not None:
            raise ConfigError(f"length must be null, got {length}: a text has one label")
        return self._batch(examples, [0] * len(examples))

    def predictions(
        self,
        examples: Sequence[str],  # noqa: ARG002
        batch: Batch,
        answers: Tensor,  # noqa: ARG002
        outputs: Tensor | None,
    ) -> list[list[Cell]]:
        """Return the label of each text, and its probability."""
        assert outputs is not None
        return likeliest(outputs[batch.mask], self.names)

    def show_answers(self, batch: Batch, answers: Tensor) -> str:
        """Write a line per text: its end, and the label."""
        claims = enumerate(self.answer_texts(batch, answers))
        return "\n".join(f"{self._text(batch, row)}: {claim}" for row, claim in claims)

    def answer_texts(self, batch: Batch, answers: Tensor) -> list[str]:
        """Return the label of each text."""
        return self.answer_labels(answers.to(batch.mask.device)[batch.mask])

    def show_row(self, batch: Batch, output: Tensor, row: int) -> str:
        """Write the right label, its probability, and the answer if it differs."""
        asked = batch.mask[row]
        shares = output[row][asked][0].float().softmax(-1)
        label, claim = int(batch.target[row][asked]), int(shares.argmax())
        verdict = "" if claim == label else f", answered {self.names[claim]}   x"
        share = f"{100 * float(shares[label]):.0f} %"
        return f"{self._text(batch, row)}: {self.names[label]} {share}{verdict}"

    def _text(self, batch: Batch, row: int) -> str:
        return (" " if self.by_word else "").join(self.labels(what_is_read(batch, row)))

    def answer_labels(self, ids: Tensor) -> list[str]:
        """Return the names of labels."""
        return [self.names[index] for index in ids.tolist()]


class Phrases(TextFiles):
    """The phrases of the toy grammar as a text of lines `phrase<TAB>language`."""

    def read(self, split: Split) -> str:  # noqa: ARG002
        """Return all phrases, each once."""
        pairs = [pair for pair in clauses().phrases if all(pair)]
        sides = zip(zip(*pairs, strict=True), ("English", "French"), strict=True)
        return "".join(f"{text}\t{name}\n" for side, name in sides for text in dict.fromkeys(side))


def _is_label(symbol: str) -> bool:
    """Whether one of the symbols of a run is a label."""
    return len(symbol) > 1 and symbol.startswith(_MARK)
