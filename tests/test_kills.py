"""A run that is killed at any moment, and goes on, ends as if nobody had killed it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rnnlab.config.catalogue import describe
from rnnlab.runs.tensorboard import Events
from tests.kills import PAIRS, Campaign, Pair, Process, plain, runs
from tests.same import differing

ROOT = Path(__file__).parents[1]
PAIR = ("lstm", "next_char")
STORIES = 5
"""Of each pair in the slow tests."""
DATA_OF_PACKAGES = {
    *("caption", "digits", "gestures", "motions", "next_pixel", "phonemes", "phonemes_aligned"),
    "speakers",
}

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="kills as POSIX does"),
]


@pytest.fixture(scope="module")
def campaign(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Campaign]:
    """What is counted over all tests here; the slow ones tell it at their end."""
    campaign = Campaign(tmp_path_factory.mktemp("kills"))
    yield campaign
    if campaign.kills.total() >= 50:
        with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            print(f"\n{campaign}")


def named(stories: list[tuple[Pair, int]]) -> pytest.MarkDecorator:
    ids = [f"{'-'.join(pair)}-{seed}" for pair, seed in stories]
    return pytest.mark.parametrize(("pair", "seed"), stories, ids=ids)


def test_every_model_and_every_task_is_killed():
    assert {model for model, _ in PAIRS} == set(describe("model"))
    tasks = {task for _, task in PAIRS}
    assert tasks == set(describe("task")) - DATA_OF_PACKAGES


def test_a_forked_process_leaves_what_the_command_does(campaign, tmp_path):
    command = [sys.executable, str(ROOT / "scripts/train.py"), *campaign.words(PAIR, tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    forked, _ = campaign.whole(PAIR)
    assert differing(runs(tmp_path)[0], forked) == []


@pytest.mark.parametrize(
    ("event", "left"),
    [
        ("open last.ckpt.part", {"last.ckpt", "previous.ckpt"}),
        ("fsync", {"last.ckpt.part", "last.ckpt", "previous.ckpt"}),
        ("os.rename last.ckpt", {"last.ckpt.part", "last.ckpt", "previous.ckpt"}),
        ("os.rename last.ckpt.part", {"last.ckpt.part", "previous.ckpt"}),
    ],
)
def test_a_kill_in_the_midst_of_a_checkpoint_costs_no_more_than_that_one(
    campaign, tmp_path, event, left
):
    _, life = campaign.whole(PAIR)  # which saves after updates 3, 6, 9 and 12, and more
    opened = [n for n, touch in enumerate(life.touches) if touch == "open last.ckpt.part"][3]
    killed = campaign.go_on(PAIR, tmp_path, touch=life.touches.index(event, opened)).end()
    assert killed.status < 0
    (run,) = runs(tmp_path)
    sizes = {plain(path.name): path.stat().st_size for path in run.path.glob("checkpoints/*")}
    assert set(sizes) == left
    if event == "fsync":
        assert sizes["last.ckpt.part"] < sizes["last.ckpt"] * 0.6
    assert campaign.go_on(PAIR, tmp_path).end().status == 0
    assert [session["first_step"] for session in run.card["sessions"]] == [0, 9]
    assert campaign.problems(PAIR, tmp_path) == []


def test_half_written_events_are_no_events(tmp_path):
    for number in range(8):  # directories list names in any order
        path = tmp_path / f"events.out.tfevents.{number}"
        path.touch()
        path.with_name(f"{path.name}.0123abcd.part").write_bytes(b"half")
    Events(tmp_path, 0)
    assert {path.read_bytes() for path in tmp_path.glob("*.part")} == {b"half"}


@named(
    [
        (("gru", "addition_marked"), 8),
        (("lstm", "copy_repeat"), 2),
        (("elman", "copy_reverse"), 7),
        (("seq2seq", "addition"), 7),
    ]
)
def test_kills_leave_no_trace(campaign, pair, seed):
    problems = campaign.story(pair, seed)
    assert not problems, "\n".join(problems)


@pytest.mark.slow
@named([(pair, seed) for pair in PAIRS for seed in range(100, 100 + STORIES)])
def test_many_kills_leave_no_trace(campaign, pair, seed):
    problems = campaign.story(pair, seed)
    assert not problems, "\n".join(problems)


@pytest.mark.slow
@named([(("gru", "next_char"), seed) for seed in range(100, 100 + STORIES)])
def test_kills_of_processes_that_start_from_nothing_leave_no_trace(campaign, pair, seed):
    problems = campaign.story(pair, seed, fresh=True)
    assert not problems, "\n".join(problems)


@pytest.mark.slow
def test_a_kill_at_each_touch_between_training_and_the_end_leaves_no_trace(campaign, tmp_path):
    pair = ("elman", "copy")  # with pictures among its samples
    touches = campaign.whole(pair)[1].touches
    trained = len(touches) - touches[::-1].index("os.rename last.ckpt.part")
    assert touches.index("os.rename results.json.part") > trained
    for touch in range(trained, len(touches)):
        place = tmp_path / str(touch)
        assert campaign.go_on(pair, place, touch=touch).end().status < 0
        assert campaign.go_on(pair, place).end().status == 0
        assert campaign.problems(pair, place) == [], touches[touch]


def test_a_run_that_is_being_trained_is_left_to_its_process(campaign, tmp_path):
    words = [*campaign.words(PAIR, tmp_path), "trainer.max_steps=100000"]
    first = Process(words, tmp_path)
    while not list(tmp_path.glob("runs/*/*/*/checkpoints/previous.ckpt")):
        assert first.process.is_alive(), first.read()
        time.sleep(0.01)
    (run,) = runs(tmp_path)
    second = Process([f"resume={run.path}"], tmp_path / "second").end()
    assert second.status == 2
    message = f"rnnlab-train: {run.path} is being trained by another process"
    assert second.diary.splitlines()[1:] == [message]
    assert first.end(0).status < 0


def test_of_two_that_go_on_at_once_one_does(campaign, tmp_path):
    _, life = campaign.whole(PAIR)
    assert campaign.go_on(PAIR, tmp_path, touch=len(life.touches) // 2).end().status < 0
    (run,) = runs(tmp_path)
    both = [Process([f"resume={run.path}"], tmp_path / name) for name in ("one", "other")]
    statuses = {process.end().status for process in both}
    assert statuses in ({0, 2}, {0})  # 0 twice: the second came when all was done
    assert len(run.card["sessions"]) == 2
    assert campaign.problems(PAIR, tmp_path) == []
