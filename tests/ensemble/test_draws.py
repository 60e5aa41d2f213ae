"""Members that draw random numbers or carry their state train as they would alone."""

import os
import signal
from pathlib import Path

import pytest
import torch

import rnnlab
from rnnlab.cells.dropout import Dropout
from rnnlab.ensemble.draws import Draws
from rnnlab.ensemble.ensemble import Ensemble
from rnnlab.errors import Interrupted
from rnnlab.random_streams import seed_globals, torch_generator
from rnnlab.runs.run import Run
from tests.ensemble.groups import alone, assert_alike, open_group, together
from tests.ensemble.test_training import ADDITION, COPY, SEQ2SEQ
from tests.small_runs import SMALL, tiny_text

SIZE, TWO, DROP = "model.cell.hidden_size=6", "model.num_layers=2", "model.dropout=0.3"
REALS = ["task=oscillation", *SMALL]
SAMPLING = ["model/teacher_forcing=linear", "model.teacher_forcing.steps=5"]
DRAWING = {
    "elman": ["model=elman", SIZE, DROP, *COPY],
    "elman_reals": ["model=elman", SIZE, DROP, *REALS],
    "lstm_two_layers": ["model=lstm", SIZE, TWO, DROP, *COPY],
    "gru_horizon": ["model=gru", SIZE, DROP, "model.horizon=2", *COPY],
    "jordan_two_layers": ["model=jordan", SIZE, TWO, DROP, *COPY],
    "ar_ffn": ["model=ar_ffn", SIZE, "model.cell.taps=3", DROP, *COPY],
    "seq2seq": [*SEQ2SEQ, "model.encoder.dropout=0.4", "model.decoder.dropout=0.2", *ADDITION],
    "seq2seq_sampling": [*SEQ2SEQ, *SAMPLING, *ADDITION],
    "seq2seq_both": [
        *(*SEQ2SEQ, "model.decoder.num_layers=2", "model.decoder.dropout=0.2"),
        *("model.attention=dot", "model.input_feeding=true"),
        *("model/teacher_forcing=inverse_sigmoid", "model.teacher_forcing.k=3", *ADDITION),
    ],
}
CARRYING = {
    "elman": ["model=elman", SIZE],
    "lstm_two_layers": ["model=lstm", SIZE, TWO],
    "gru_dropout": ["model=gru", SIZE, TWO, DROP],
    "jordan": ["model=jordan", SIZE],
    "ar_ffn": ["model=ar_ffn", SIZE, "model.cell.taps=3"],
    "lstm_learned_state": ["model=lstm", SIZE, "model.initial_state=learned", "model.horizon=2"],
    "transformer": [
        *("model=transformer", "model.hidden_size=8", "model.num_heads=2", "model.context=12"),
        *("model.positions=learned", "model.dropout=0.1", "optimizer.eps=1e-4"),
    ],
    "seq2seq": SEQ2SEQ,
}
MORE = ["trainer.max_steps=6", "trainer.log_every=2", "trainer.val_every=3"]


def text(out: Path, *words: str) -> list[str]:
    """The words of a model that reads a text."""
    kept = (word for word in tiny_text(out) if not word.startswith("model"))
    return [*kept, *words]


def three(words: list[str]) -> list[list[str]]:
    """The words of three members: two with the same seed."""
    members = (["seed=0"], ["seed=1", "optimizer.lr=0.02"], ["seed=0", "optimizer.lr=0.02"])
    return [[*words, *MORE, *more] for more in members]


def assert_as_alone(words: list[list[str]]) -> list[Run]:
    group = open_group(words)
    assert {ended.status for ended in together(group)} == {"finished"}
    for one, other in zip(alone(words), group, strict=True):
        assert_alike(one, other)
    return group


def test_generators_draw_what_the_global_one_draws():
    layer, features = Dropout(0.3), torch.rand(5, 7, 4)
    seed_globals(3, "training")
    wanted = layer(features), torch.rand(5, 7), layer(features[0])
    own = torch_generator(3, "training")

    def drop(features: torch.Tensor) -> torch.Tensor:
        return features * torch.empty_like(features).bernoulli_(0.7, generator=own).div_(0.7)

    assert drop(features).equal(wanted[0])
    assert torch.rand(5, 7, generator=own).equal(wanted[1])
    assert drop(features[0]).equal(wanted[2])
    assert own.get_state().equal(torch.get_rng_state())


def test_dropout_is_one_whatever_the_order_in_memory():
    layer, features = Dropout(0.3), torch.rand(5, 7, 4)
    drawn = []
    for order in (features, features.transpose(0, 1).contiguous().transpose(0, 1)):
        torch.manual_seed(0)
        drawn.append(layer(order))
    assert drawn[0].equal(drawn[1])
    assert layer.eval()(features) is features


def test_some_members_go_on_with_their_own_generators():
    draws = Draws([torch_generator(seed, "training") for seed in range(3)])
    whole = draws.stack(lambda generator: torch.rand(2, generator=generator))
    some = draws.of([2, 0])
    later = some.stack(lambda generator: torch.rand(2, generator=generator))
    for n, drawn in zip((2, 0), later, strict=True):
        own = torch_generator(n, "training")
        assert torch.rand(2, generator=own).equal(whole[n])
        assert torch.rand(2, generator=own).equal(drawn)


@pytest.mark.thorough
@pytest.mark.parametrize("name", DRAWING)
def test_each_member_draws_what_it_would_alone(name: str, tmp_path: Path) -> None:
    assert_as_alone(three([*DRAWING[name], f"output_dir={tmp_path}"]))


@pytest.mark.thorough
@pytest.mark.parametrize("name", CARRYING)
def test_each_member_carries_its_own_state(name: str, tmp_path: Path) -> None:
    assert_as_alone(three(text(tmp_path, *CARRYING[name])))


@pytest.mark.thorough
def test_a_group_that_was_interrupted_draws_and_carries_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = three(text(tmp_path, *CARRYING["gru_dropout"]))
    update = Ensemble.update

    def interrupting(self: Ensemble) -> list:
        if self.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return update(self)

    group = open_group(words)
    with monkeypatch.context() as patch:
        patch.setattr(Ensemble, "update", interrupting)
        with pytest.raises(Interrupted, match="saved at update 4"):
            together(group)
    rnnlab.resume(group[1].path, [])  # one of them alone
    together(group)
    for one, other in zip(alone(words), group, strict=True):
        assert_alike(one, Run(other.path))


@pytest.mark.thorough
def test_those_that_stay_draw_on_when_one_leaves(tmp_path: Path) -> None:
    words = [
        [*each, "trainer.max_steps=9"] for each in three(text(tmp_path, *CARRYING["gru_dropout"]))
    ]
    words[1] += ["trainer.patience=1", "optimizer.lr=1e-30"]
    group = assert_as_alone(words)
    assert [run.results["steps"] for run in group] == [9, 6, 9]
