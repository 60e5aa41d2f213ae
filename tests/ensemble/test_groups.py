"""Which runs are grouped, and the reasons for which others are not."""

from pathlib import Path

import pytest

from rnnlab.config.compose import compose
from rnnlab.ensemble import Group, find_groups
from tests.small_runs import tiny, tiny_text


def groups(tmp_path: Path, *more: list[str]) -> list[Group]:
    return find_groups([compose(tiny(tmp_path, *words)) for words in more])


def test_runs_that_differ_in_what_stacks_are_one_group(tmp_path: Path) -> None:
    result = groups(
        tmp_path,
        ["seed=0"],
        ["seed=1", "optimizer.lr=0.1", "optimizer.weight_decay=0.1", "optimizer.betas=[0.5,0.9]"],
        ["trainer.clip_norm=null", "trainer.patience=3"],
        ["model.cell.recurrent_scale=0.5", "model.cell.recurrent_init=spectral"],
    )
    assert result == [Group([0, 1, 2, 3], None)]


def test_forget_bias_is_how_weights_begin(tmp_path: Path) -> None:
    lstm = ["model=lstm", "model.cell.hidden_size=4"]
    words = [[*lstm, f"model.cell.forget_bias={bias}"] for bias in (0.0, 1.0)]
    cfgs = [compose([*tiny(tmp_path)[2:], *each]) for each in words]
    assert find_groups(cfgs) == [Group([0, 1], None)]


def test_each_shape_has_a_group_of_its_own_in_the_order_given(tmp_path: Path) -> None:
    wide = "model.cell.hidden_size=9"
    result = groups(tmp_path, ["seed=0"], [wide, "seed=1"], ["seed=2"], [wide, "seed=3"])
    assert result == [Group([0, 2], None), Group([1, 3], None)]


def test_a_run_like_no_other_is_told_in_what_it_differs(tmp_path: Path) -> None:
    result = groups(tmp_path, ["seed=0"], ["task.delay=2", "trainer.max_steps=5"], ["seed=1"])
    assert result == [
        Group([0, 2], None),
        Group([1], "no other run has the same task.delay, trainer.max_steps"),
    ]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("optimizer=lbfgs", "LBFGS has no stacked form"),
        ("optimizer=adam +optimizer.amsgrad=true", "optimizer.amsgrad=True has no stacked form"),
        ("trainer=gpu trainer.devices=2", "it trains on several devices, groups on one"),
        ("trainer.precision=bf16-mixed", "trainer.precision=bf16-mixed, groups take 32-true"),
        ("trainer.accumulate=2", "trainer.accumulate=2, groups take 1"),
        (
            "trainer.max_minutes=1",
            "trainer.max_minutes is a budget of a clock that members would share",
        ),
        ("trainer.profile=true", "trainer.profile=true times a run alone"),
        (
            "model.num_layers=2 model.dropout=0.5 model.horizon=3",
            "model draws otherwise in a group with horizon=3 and dropout",
        ),
    ],
)
def test_what_can_not_be_stacked_is_named(word: str, reason: str, tmp_path: Path) -> None:
    words = word.split()
    result = groups(tmp_path, [*words, "seed=0"], [*words, "seed=1"])
    assert result == [Group([0], reason), Group([1], reason)]


def test_dropout_scheduled_sampling_and_carried_streams_join(tmp_path: Path) -> None:
    sizes = [f"model.{part}.cell.hidden_size=8" for part in ("encoder", "decoder")]
    sampled = ["model=seq2seq", "task=addition", *sizes, "model/teacher_forcing=linear"]
    for words in (sampled, tiny(tmp_path, "model.dropout=0.5"), tiny_text(tmp_path)):
        cfgs = [compose([*words, f"seed={seed}", f"output_dir={tmp_path}"]) for seed in (0, 1)]
        assert find_groups(cfgs) == [Group([0, 1], None)]


@pytest.mark.parametrize(
    ("words", "largest"),
    [
        (["task=copy", "model.num_layers=2"], 64),
        (["task=copy", "model.dropout=0.1"], 64),
        (["task=next_char"], 32),
    ],
)
def test_lstms_that_no_kernel_computes_as_a_whole_are_faster_alone_earlier(
    words: list[str], largest: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnnlab.ensemble.groups.load_kernels", object)
    words = ["model=lstm", *words, f"output_dir={tmp_path}"]
    one, two = (compose([*words, f"model.cell.hidden_size={largest + n}"]) for n in (0, 1))
    reason = f"LSTM of hidden_size={largest + 1} is faster alone, above {largest}"
    assert find_groups([two]) == [Group([0], reason)]
    assert find_groups([one, one])[0].reason is None


@pytest.mark.parametrize("kernels", [True, False])
def test_what_is_faster_alone_stays_alone(
    kernels: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "rnnlab.ensemble.groups.load_kernels", lambda: object() if kernels else None
    )
    largest = 128 if kernels else 32
    lstm = ["model=lstm", "task=copy", f"output_dir={tmp_path}"]
    one, two = (compose([*lstm, f"model.cell.hidden_size={largest + n}"]) for n in (0, 1))
    reason = f"LSTM of hidden_size={largest + 1} is faster alone, above {largest}"
    assert find_groups([two]) == [Group([0], reason)]
    assert find_groups([one, one])[0].reason is None
