"""Reber's grammar: which strings there are, and how predictions are scored."""

import math
import re

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from rnnlab.errors import ConfigError
from rnnlab.spec import Batch, Layout
from rnnlab.tasks import Reber

REBER = re.compile(r"B(TS*X(S|XT*V(PXT*V)*(V|PS))|PT*V(PXT*V)*(V|PS))E")
LAYOUTS: list[Layout] = ["stream", "encoder_decoder"]


def make(layout: Layout = "stream", *, embedded: bool = True, length: int = 40) -> Reber:
    return Reber(layout, 0, embedded=embedded, length=length)


def texts(task: Reber, batch: Batch) -> list[str]:
    """Return the strings of a batch in either layout."""
    before = batch.input[:, :1] if batch.source is None else batch.source
    rows = zip(before, batch.target, batch.mask, strict=True)
    return ["".join(task.labels(torch.cat([b, t[m]]))) for b, t, m in rows]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_strings_are_those_of_the_grammar(layout: Layout) -> None:
    task = make(layout, embedded=False)
    found = texts(task, task.sample("train", 0, 500))
    assert all(map(REBER.fullmatch, found))
    assert {"BTXSE", "BPVVE"} <= {*found}
    assert len({*found}) > 50


@pytest.mark.parametrize("layout", LAYOUTS)
def test_embedded_strings_end_as_they_begin(layout: Layout) -> None:
    task = make(layout)
    found = texts(task, task.sample("train", 0, 500))
    for text in found:
        assert text[0] + text[-1] == "BE"
        assert text[1] == text[-2]
        assert REBER.fullmatch(text[2:-2])
    assert {text[1] for text in found} == {"T", "P"}


@pytest.mark.parametrize("embedded", [True, False])
def test_length_counts_the_symbols_of_the_inner_grammar(embedded: bool) -> None:
    task = make(embedded=embedded, length=6)
    more = 6 if embedded else 2
    assert {len(t) - more for t in texts(task, task.sample("val", 0, 300))} == {3, 4, 5, 6}
    assert {len(t) - more for t in texts(task, task.sample("val", 0, 9, length=11))} == {11}
    with pytest.raises(ConfigError, match="length must be 3 or more, got 2"):
        task.sample("val", 0, 1, length=2)


def test_the_entropy_rate_is_that_of_the_forks() -> None:
    """States 1 to 5 fork; their expected visits solve v = start + Q^T v."""
    moves = {1: (2, 3), 2: (2, 4), 3: (3, 5), 4: (3, 6), 5: (4, 6)}
    q = np.zeros((7, 7))
    for state, ends in moves.items():
        q[state, list(ends)] = 0.5
    visits = np.linalg.solve(np.eye(7) - q.T, np.eye(7)[1])
    forks, ends = visits[1:6].sum(), visits[6]
    assert ends == pytest.approx(1)
    plain, embedded = (make(embedded=e, length=200).floor for e in (False, True))
    assert plain["loss_entropy_rate"] == pytest.approx(forks * math.log(2) / (forks + 1))
    more = (forks + 1) * math.log(2) / (forks + 1 + 4)  # T or P, and B, E, T or P, E
    assert embedded["loss_entropy_rate"] == pytest.approx(more)
    assert plain["loss"] > plain["loss_entropy_rate"] + 0.1
    assert "second_last" not in plain
    assert embedded["second_last"] == 0.5


def outputs(task: Reber, text: str) -> tuple[Batch, Tensor]:
    """Return a string as a batch, and outputs that give all legal symbols 1 and others 0."""
    ids = torch.tensor([[task.symbols.index(symbol) for symbol in text]])
    batch = Batch(ids[:, :-1], ids[:, 1:], torch.ones_like(ids[:, 1:], dtype=torch.bool))
    grammar = {"B": "TP", "BT": "B", "BTB": "TP", "BTBT": "SX", "BTBTX": "XS", "BTBTXS": "E"}
    grammar |= {"BTBTXSE": "T", "BTBTXSET": "E"}
    legal = [[float(s in grammar[text[: t + 1]]) for s in task.symbols] for t in range(8)]
    return batch, torch.tensor([legal])


def scores(task: Reber, output: Tensor, batch: Batch) -> dict[str, float]:
    return {name: float(mean.value) for name, mean in task.metrics(output, batch).items()}


def test_a_step_is_right_if_no_illegal_symbol_is_ahead() -> None:
    task = make()
    batch, output = outputs(task, "BTBTXSETE")
    found = scores(task, output, batch)
    assert (found["legal"], found["legal_strings"]) == (1, 1)
    output[0, 3, task.symbols.index("S")] = 0.3  # less likely, and still ahead of all others
    assert scores(task, output, batch)["legal"] == 1
    output[0, 3, task.symbols.index("B")] = 0.4
    found = scores(task, output, batch)
    assert (found["legal"], found["legal_strings"]) == (7 / 8, 0)
    assert "illegal . . . x . . . ." in task.show(batch, output)


def test_the_last_but_one_symbol_is_scored_alone() -> None:
    task = make()
    batch, output = outputs(task, "BTBTXSETE")
    assert scores(task, output, batch)["second_last"] == 1
    output[0, 7] = F.one_hot(torch.tensor(3), 7)  # the last one is not asked
    assert scores(task, output, batch)["second_last"] == 1
    output[0, 6, task.symbols.index("P")] = 2
    found = scores(task, output, batch)
    assert (found["second_last"], found["legal_strings"]) == (0, 0)


def test_of_an_encoder_decoder_the_grammar_goes_on_from_the_source() -> None:
    one, other = (make(layout) for layout in LAYOUTS)
    stream, cut = (task.sample("test", 0, 20) for task in (one, other))
    assert texts(one, stream) == texts(other, cut)
    output = torch.randn(*stream.mask.shape, 7)
    assert torch.equal(one._right(output, stream)[:, 1:], other._right(output[:, 1:], cut))


def test_generated_strings_are_shown_to_where_they_leave_the_grammar() -> None:
    task = make()
    batch, _ = outputs(task, "BTBTXSETE")
    assert task.show_answers(batch, batch.target) == "BTBTXSETE"
    wrong = batch.target.clone()
    wrong[0, -2] = task.symbols.index("P")
    assert task.show_answers(batch, wrong) == "BTBTXSE | PE   illegal from | on"
