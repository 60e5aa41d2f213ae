"""Members of a group write the same files as their runs alone."""

import os
import shutil
import signal
from pathlib import Path

import pytest

import rnnlab
from rnnlab.config.compose import compose
from rnnlab.ensemble import train_group
from rnnlab.ensemble.ensemble import Ensemble
from rnnlab.errors import Diverged, Interrupted, RunLost
from rnnlab.files import checkpoint
from rnnlab.runs.run import Run
from tests.ensemble.groups import alone, assert_alike, close, open_group, saved, together
from tests.small_runs import SMALL, tiny

pytestmark = pytest.mark.thorough

COPY = ["task=copy", "task.length=4", "task.delay=2", "task.min_length=2", *SMALL]
# With the usual epsilon Adam makes whole steps of gradients that are nothing but rounding.
ADDITION = ["task=addition", "task.length=2", "optimizer.eps=1e-4", *SMALL]
SEQ2SEQ = [
    "model=seq2seq",
    "model@model.encoder=gru",
    "model@model.decoder=elman",
    "model.encoder.cell.hidden_size=5",
    "model.decoder.cell.hidden_size=6",
]
TRANSFORMER = [
    "model=transformer",
    "model.hidden_size=8",
    "model.num_heads=2",
    "optimizer.eps=1e-4",
]
MODELS = {
    "elman": ["model=elman", "model.cell.hidden_size=6", *COPY],
    "elman_reals": ["model=elman", "model.cell.hidden_size=6", "task=oscillation", *SMALL],
    "elman_series": ["model=elman", "model.cell.hidden_size=6", "task=series", *SMALL],
    "elman_two_layers": [
        *("model=elman", "model.cell.hidden_size=6", "model.num_layers=2"),
        *("model.initial_state=learned", "model.embedding_size=3", *COPY),
    ],
    "elman_one_step": ["model=elman", "model.cell.hidden_size=6", "model.horizon=1", *COPY],
    "jordan": ["model=jordan", "model.cell.hidden_size=6", *COPY],
    "jordan_taught": [
        *("model=jordan", "model.cell.hidden_size=6", "model.cell.teacher_forcing=true"),
        *COPY,
    ],
    "gru": ["model=gru", "model.cell.hidden_size=6", *COPY],
    "lstm": ["model=lstm", "model.cell.hidden_size=6", *COPY],
    "lstm_peepholes": [
        "model=lstm",
        "model.cell.hidden_size=6",
        "model.cell.peepholes=true",
        *COPY,
    ],
    "ctrnn": ["model=ctrnn", "model.cell.hidden_size=6", *COPY],
    "mrnn": ["model=mrnn", "model.cell.hidden_size=6", *COPY],
    "min_gru": ["model=min_gru", "model.cell.hidden_size=6", *COPY],
    "stack_rnn": ["model=stack_rnn", "model.cell.hidden_size=6", "model.cell.depth=5", *COPY],
    "ntm": [
        *("model=ntm", "model.cell.hidden_size=6", "model.cell.num_locations=5"),
        "model.cell.location_size=4",
        *COPY,
    ],
    "transformer": [*TRANSFORMER, *COPY],
    "transformer_learned": [
        *TRANSFORMER,
        *("model.positions=learned", "model.dropout=0.2", "model.context=5"),
        *COPY,
    ],
    "transformer_seq2seq": ["model=transformer_seq2seq", *TRANSFORMER[1:], *ADDITION],
    "ar": ["model=ar", "model.cell.taps=3", *COPY],
    "ar_ffn": ["model=ar_ffn", "model.cell.taps=3", "model.cell.hidden_size=[6,5]", *COPY],
    "seq2seq": [*SEQ2SEQ, *ADDITION],
    "seq2seq_attention": [*SEQ2SEQ, "model.attention=additive", *ADDITION],
    "seq2seq_feeding": [
        *SEQ2SEQ,
        *("model.attention=dot", "model.input_feeding=true", "model.bidirectional=true"),
        *ADDITION,
    ],
}


@pytest.mark.parametrize("name", MODELS)
def test_each_member_leaves_what_it_would_have_left_alone(name: str, tmp_path: Path) -> None:
    words = [
        [*MODELS[name], f"output_dir={tmp_path}", *more]
        for more in (
            ["seed=0", "optimizer.lr=0.01"],
            ["seed=1", "optimizer.lr=0.02", "trainer.clip_norm=0.1"],
            ["seed=2", "optimizer.lr=0.01", "trainer.clip_norm=null"],
        )
    ]
    group = open_group(words)
    assert [ended.status for ended in together(group)] == ["finished"] * 3
    for one, other in zip(alone(words), group, strict=True):
        assert_alike(one, other)
        assert other.card["status"] == "finished"
        assert other.card["group"] == 3


@pytest.mark.parametrize(
    "settings",
    [
        ["optimizer=sgd", "scheduler=cosine", "scheduler.warmup_steps=2"],
        ["optimizer=adamw", "scheduler=plateau", "scheduler.patience=0", "monitor=val/accuracy"],
        ["optimizer=rmsprop", "optimizer.momentum=0.5", "data.train_size=12"],
        ["optimizer=sgd", "optimizer.momentum=0.0", "trainer.overfit=true"],
        ["trainer.log_every=3", "trainer.max_steps=7", "trainer.val_every=3"],
    ],
    ids=lambda settings: settings[0],
)
def test_optimizers_and_schedules_are_those_of_a_lone_run(
    settings: list[str], tmp_path: Path
) -> None:
    words = [
        tiny(tmp_path, *settings, f"seed={s}", f"optimizer.lr={0.01 * (s + 1)}") for s in (0, 1)
    ]
    group = open_group(words)
    together(group)
    for one, other in zip(alone(words), group, strict=True):
        assert_alike(one, other)


def test_members_with_one_seed_read_the_same_batches(tmp_path: Path) -> None:
    words = [tiny(tmp_path, f"optimizer.lr={rate}") for rate in (0.01, 0.05)]
    group = open_group(words)
    together(group)
    for one, other in zip(alone(words), group, strict=True):
        assert_alike(one, other)


def test_a_member_that_diverges_touches_no_other(tmp_path: Path) -> None:
    sgd = [
        "optimizer=sgd",
        "trainer.clip_norm=null",
        "trainer.max_steps=8",
        "model.cell.activation=relu",
    ]
    words = [
        tiny(tmp_path, *sgd, "trainer.max_steps=8", f"optimizer.lr={rate}")
        for rate in (0.01, 1e6, 0.02)
    ]
    group = open_group(words)
    first, second, third = together(group)
    assert [first.status, second.status, third.status] == ["finished", "diverged", "finished"]
    assert isinstance(second.error, Diverged)
    assert "try a lower optimizer.lr (now 1e+06)" in str(second.error)
    assert group[1].card["status"] == "diverged"
    assert not group[1].file("results.json").exists()
    for n in (0, 2):
        assert_alike(alone([words[n]])[0], group[n])


def test_a_member_whose_directory_is_lost_touches_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [tiny(tmp_path, "trainer.save_every=2", f"seed={s}") for s in range(3)]
    group = open_group(words)
    update = Ensemble.update

    def losing(self: Ensemble) -> list:
        if self.step == 3:
            shutil.rmtree(group[1].path, ignore_errors=True)
        return update(self)

    with monkeypatch.context() as patch:
        patch.setattr(Ensemble, "update", losing)
        first, second, third = together(group)
    assert [first.status, second.status, third.status] == ["finished", "failed", "finished"]
    assert isinstance(second.error, RunLost)
    assert "training stopped, saved at update 2" in str(second.error)
    for n in (0, 2):
        assert_alike(alone([words[n]])[0], group[n])


def test_a_member_that_stops_early_leaves_the_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = ["trainer.max_steps=12", "trainer.val_every=2", "watch=none"]
    words = [
        tiny(tmp_path, *more, "trainer.patience=1", "optimizer.lr=1e-30"),
        tiny(tmp_path, *more, "optimizer.lr=0.01"),
    ]
    sizes = []
    update = Ensemble.update

    def counting(self: Ensemble) -> list:
        sizes.append(len(self.members))
        return update(self)

    monkeypatch.setattr(Ensemble, "update", counting)
    group = open_group(words)
    together(group)
    assert sizes == [2] * 4 + [1] * 8
    for one, other in zip(alone(words), group, strict=True):
        assert_alike(one, other)


def test_more_members_than_fit_train_in_turn(tmp_path: Path) -> None:
    words = [tiny(tmp_path, f"seed={s}") for s in range(3)]
    group = open_group(words)
    assert [ended.status for ended in together(group, members=2)] == ["finished"] * 3
    assert [run.card["group"] for run in group] == [2, 2, 1]
    assert_alike(alone(words)[2], group[2])


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_member_loads_and_goes_on_alone(optimizer: str, tmp_path: Path) -> None:
    more = [f"optimizer={optimizer}", "scheduler=warmup", "trainer.log_every=3"]
    words = [tiny(tmp_path, *more, f"seed={s}") for s in (0, 1)]
    group = open_group(words)
    together(group)
    more = "trainer.max_steps=9"
    for one, other in zip(alone(words), group, strict=True):
        assert rnnlab.load(other.path).model is not None
        rnnlab.resume(one.path, [more])
        rnnlab.resume(other.path, [more])
        assert_alike(Run(one.path), Run(other.path))


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
@pytest.mark.parametrize("scheduler", ["cosine", "plateau"])
def test_a_group_that_was_interrupted_goes_on_as_if_it_never_was(
    optimizer: str, scheduler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = [f"optimizer={optimizer}", f"scheduler={scheduler}", "trainer.max_steps=9"]
    words = [tiny(tmp_path, *more, f"seed={s}", "trainer.log_every=4") for s in (0, 1)]
    whole, group = open_group(words), open_group(words)
    together(whole)
    update = Ensemble.update

    def interrupting(self: Ensemble) -> list:
        if self.step == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return update(self)

    with monkeypatch.context() as patch:
        patch.setattr(Ensemble, "update", interrupting)
        with pytest.raises(Interrupted, match="terminated, saved at update 6") as stopped:
            together(group)
    assert stopped.value.status == 143
    assert [run.card["status"] for run in group] == ["interrupted"] * 2
    assert saved(group[0])["global_step"] == 6
    assert [ended.status for ended in together(group)] == ["finished"] * 2
    for one, other in zip(whole, group, strict=True):
        assert_alike(one, Run(other.path))
        assert [s["status"] for s in other.card["sessions"]] == ["interrupted", "finished"]


def test_finished_members_are_left_as_they_are(tmp_path: Path) -> None:
    group = open_group([tiny(tmp_path, f"seed={s}") for s in (0, 1)])
    together(group)
    before = (group[0].path / "checkpoints/last.ckpt").read_bytes()
    assert [ended.status for ended in together(group)] == ["finished"] * 2
    assert (group[0].path / "checkpoints/last.ckpt").read_bytes() == before


def test_members_share_the_time_that_was_spent(tmp_path: Path) -> None:
    group = open_group([tiny(tmp_path, f"seed={s}") for s in (0, 1)])
    together(group)
    times = [run.card["seconds"] for run in group]
    assert times[0] == pytest.approx(times[1], rel=0.5)
    assert checkpoint.read(group[0].path / "checkpoints/last.ckpt")["costs"]["seconds"] > 0


def test_a_group_of_one_is_a_run(tmp_path: Path) -> None:
    words = tiny(tmp_path)
    run = Run.create(compose(words))
    assert train_group([run], [run.config], members=None)[0].status == "finished"
    close(saved(run), saved(alone([words])[0]))
