"""A run directory from a stranger, and files that are none: nothing in them is run or followed."""

import hashlib
import io
import json
import os
import pickle
import re
import shutil
import signal
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch
import yaml

import rnnlab
from rnnlab.cli.evaluate import main as evaluate
from rnnlab.cli.export import main as export
from rnnlab.cli.predict import main as predict
from rnnlab.cli.runs import main as runs
from rnnlab.cli.sample import main as sample
from rnnlab.cli.train import main as train
from rnnlab.errors import ConfigError
from rnnlab.files import checkpoint
from rnnlab.runs.run import Run
from rnnlab.testing import examples
from tests.calls import call, check_lines, listing, refusal
from tests.small_runs import ELMAN, SMALL, tiny, tiny_text

pytestmark = pytest.mark.thorough

SECRET = "RNNLAB_TEST_SECRET"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rnnlab.train(tiny(tmp_path_factory.mktemp("runs"))).path


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = ["task=oscillation", "model=elman", "model.cell.hidden_size=8", "task.length=10"]
    out = tmp_path_factory.mktemp("runs")
    return rnnlab.train([*words, *SMALL, "task.eval_periods=1", f"output_dir={out}"]).path


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of a run, to spoil."""
    return shutil.copytree(trained, tmp_path / "run")


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A file that is there if something hostile was run."""
    return tmp_path / "trace"


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    """A pipe or a device that is read would keep a test for ever."""

    def stop(_: int, __: FrameType | None) -> None:
        raise TimeoutError("it waits for something that never comes")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


COMMANDS: dict[str, Callable[[Path], str]] = {
    "evaluate": lambda run: refusal(evaluate, "rnnlab-evaluate", f"run={run}"),
    "sample": lambda run: refusal(sample, "rnnlab-sample", f"run={run}"),
    "predict": lambda run: refusal(predict, "rnnlab-predict", f"run={run}", f"input={__file__}"),
    "resume": lambda run: refusal(
        train, "rnnlab-train", f"resume={run}", "trainer.max_steps=6", "trainer.val_every=2"
    ),
}


# Checkpoints


class Evil:
    """Its pickle makes a file when it is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.trace}",)


def signed(body: bytes) -> bytes:
    """Give a checkpoint the checksum that its readers ask for."""
    mark = b"sha256:" + hashlib.sha256(body).hexdigest().encode()
    return body + struct.pack("<H", len(mark)) + mark


def saved(content: Any, *, zipped: bool) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()[: -2 if zipped else None]


EVIL_FILES: dict[str, Callable[[Evil], bytes]] = {
    "a pickle": pickle.dumps,
    "a pickle with a checksum": lambda evil: signed(pickle.dumps(evil)),
    "an old torch file": lambda evil: signed(saved(evil, zipped=False)),
    "a torch file": lambda evil: signed(saved(evil, zipped=True)),
    "a torch file in the right shape": lambda evil: signed(
        saved({"state_dict": {"model.cell.bias": evil}, "global_step": evil}, zipped=True)
    ),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", EVIL_FILES)
def test_a_checkpoint_is_never_run(run: Path, trace: Path, command: str, kind: str) -> None:
    content = EVIL_FILES[kind](Evil(trace))
    for name in (checkpoint.BEST, checkpoint.LAST, checkpoint.PREVIOUS):
        (run / "checkpoints" / name).write_bytes(content)
    said = COMMANDS[command](run)
    assert "can't be read as a checkpoint" in said
    assert not trace.exists()


def test_the_hostile_checkpoints_here_would_act(trace: Path) -> None:
    pickle.loads(pickle.dumps(Evil(trace)))
    assert trace.exists()


@pytest.mark.parametrize(
    "content",
    [
        {"state_dict": [], "global_step": 1},
        {"state_dict": {1: torch.zeros(1)}, "global_step": 1},
        {"state_dict": {"model.readout.bias": "text"}, "global_step": 1},
        {"state_dict": {"model.readout.bias": torch.zeros(10**6)}, "global_step": 1},
        {"state_dict": None, "global_step": None},
        {},
        torch.zeros(3),
    ],
    ids=lambda content: str(content)[:40],
)
def test_a_checkpoint_with_something_else_in_it_is_refused(run: Path, content: Any) -> None:
    (run / "checkpoints" / "best.ckpt").write_bytes(signed(saved(content, zipped=True)))
    assert "best.ckpt" in COMMANDS["evaluate"](run)


# Configs


def rewrite(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    tree = yaml.safe_load((run / "config.yaml").read_text())
    change(tree)
    (run / "config.yaml").write_text(json.dumps(tree))  # yaml would write aliases


TARGETS = [
    "os.system",
    "builtins.eval",
    "subprocess.Popen",
    "rnnlab.runs.run.subprocess.Popen",
    "rnnlab.runs.run.os.system",
    "rnnlab.train",
    "rnnlab.cli.train.main",
    "rnnlab.runs.tensorboard.Events",
    "lightning.pytorch.cli.LightningCLI",
    "lightning.pytorch.utilities.consolidate_checkpoint.process_cli_args",
    "lightning.fabric.utilities.imports.RequirementCache",
    "torch.load",
    "torch.hub.load",
    "torch.optim.lr_scheduler.LambdaLR",
    "torch.nn.Module",
    "hydra.utils.instantiate",
]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", TARGETS)
def test_a_config_names_no_target_but_ours(run: Path, trace: Path, command: str, name: str) -> None:
    node = {"_target_": name, "command": f"touch {trace}", "_args_": [f"touch {trace}"]}
    rewrite(run, lambda tree: tree.update(dict.fromkeys(("task", "optimizer", "logger"), node)))
    rewrite(run, lambda tree: tree["model"].update(cell=node))
    before = listing(run)
    said = COMMANDS[command](run)
    for key in ("task", "optimizer", "logger", "model.cell"):
        assert f"{key}._target_" in said
    assert not trace.exists()
    assert {**listing(run), ".lock": None} == {**before, ".lock": None}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['touch {trace}']",
        "!!python/object/new:os.system ['touch {trace}']",
        "!!python/object/apply:subprocess.check_output [['touch', '{trace}']]",
        "!!python/name:os.system",
        "!!python/module:antigravity",
        "${{oc.env:" + SECRET + "}}",
        "'${{oc.env:" + SECRET + "}}'",
        "${{oc.decode:'${{oc.env:" + SECRET + "}}'}}",
        "${{output_dir}}",
        "${{hydra:runtime.cwd}}",
        "${{now:%Y}}",
        "${{steal:1}}",
        "&a [*a]",
    ],
)
def test_a_config_runs_nothing_and_asks_nothing(
    run: Path, trace: Path, command: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SECRET, "hidden treasure")
    written = (run / "config.yaml").read_text()
    for line in ("monitor: val/loss", "output_dir: "):
        start = written.index(line)
        end = written.index("\n", start)
        key = line.partition(":")[0]
        spoilt = f"{written[:start]}{key}: {text.format(trace=trace)}{written[end:]}"
        (run / "config.yaml").write_text(spoilt)
        said = COMMANDS[command](run)
        assert "config.yaml can't be read: " in said
        assert "hidden treasure" not in said
        assert not trace.exists()


def test_a_config_cannot_choose_where_other_files_are_written(run: Path, tmp_path: Path) -> None:
    def leave(tree: dict[str, Any]) -> None:
        tree["output_dir"] = str(tmp_path / "elsewhere")
        tree["choices"]["task"] = "../../elsewhere"

    rewrite(run, leave)
    for main, name in ((evaluate, "rnnlab-evaluate"), (sample, "rnnlab-sample")):
        assert call(main, name, f"run={run}")[0] == 0
    assert {path.name for path in tmp_path.iterdir()} == {"run"}


# Links


@pytest.fixture
def outside(tmp_path: Path, trained: Path) -> Path:
    """Another directory, with files that nobody may touch."""
    return shutil.copytree(trained, tmp_path / "outside")


def link(run: Path, name: str, target: Path) -> None:
    path = run / name
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        *((command, "config.yaml") for command in COMMANDS),
        *((command, "run.json") for command in COMMANDS),
        *((command, "checkpoints") for command in COMMANDS),
        ("evaluate", "checkpoints/best.ckpt"),
        ("sample", "checkpoints/best.ckpt"),
        ("predict", "checkpoints/best.ckpt"),
        ("resume", "checkpoints/last.ckpt"),
        ("resume", "metrics.csv"),
        ("resume", ".lock"),
        ("evaluate", "evaluations.jsonl"),
    ],
)
@pytest.mark.parametrize("relative", [False, True])
def test_a_link_out_of_a_run_is_not_followed(
    run: Path, outside: Path, command: str, name: str, relative: bool
) -> None:
    target = outside / name
    if not target.exists():
        target.write_text("mine\n")
    before = listing(outside)
    link(run, name, Path("../" * name.count("/")) / "../outside" / name if relative else target)
    said = COMMANDS[command](run)
    assert f"{name.partition('/')[0]}" in said
    assert "leads out of its directory" in said
    assert listing(outside) == before


@pytest.mark.parametrize("name", ["metrics.csv", "results.json", "run.json"])
def test_nothing_is_read_through_a_link(run: Path, outside: Path, name: str) -> None:
    link(run, name, outside / name)
    loaded = rnnlab.load(str(run))
    with pytest.raises(ConfigError, match=rf"{name} leads out of its directory"):
        _ = (loaded.rows, loaded.results, loaded.card)


def test_a_link_to_a_file_that_is_not_there_makes_none(run: Path, tmp_path: Path) -> None:
    link(run, "evaluations.jsonl", tmp_path / "new")
    assert "leads out of its directory" in COMMANDS["evaluate"](run)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["figures", "figures/sample.png", "figures/sample.csv"])
def test_a_picture_is_not_drawn_through_a_link(painted: Path, tmp_path: Path, name: str) -> None:
    run = shutil.copytree(painted, tmp_path / "run")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "sample.png").write_text("mine")
    link(run, name, outside / name.removeprefix("figures").removeprefix("/"))
    before = listing(outside)
    assert "leads out of its directory" in COMMANDS["sample"](run)
    assert listing(outside) == before


def test_a_link_in_a_circle_is_refused(run: Path) -> None:
    for name in ("run.json", "evaluations.jsonl", "config.yaml"):
        link(run, name, run / name)
        COMMANDS["evaluate"](run)


def test_a_link_to_a_run_is_that_run(run: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(run)
    assert call(evaluate, "rnnlab-evaluate", f"run={tmp_path / 'link'}")[0] == 0
    assert len((run / "evaluations.jsonl").read_text().splitlines()) == 1


# Things that are no files


@pytest.mark.parametrize("name", ["config.yaml", "run.json", "checkpoints/best.ckpt"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_part_of_a_run_that_is_no_file_is_refused(
    run: Path, name: str, make: Callable[[Path], None]
) -> None:
    (run / name).unlink()
    make(run / name)
    assert name in COMMANDS["evaluate"](run)


@pytest.mark.parametrize(("make", "ends"), [(os.mkfifo, 2), (os.mkdir, 0)])
def test_what_cannot_be_written_is_said_in_a_line(
    run: Path, make: Callable[[Path], None], ends: int
) -> None:
    make(run / "evaluations.jsonl")
    status, out, err = call(evaluate, "rnnlab-evaluate", f"run={run}")
    assert status == ends
    assert ("loss" in out) == (ends == 0)
    check_lines(err, "rnnlab-evaluate")
    assert "evaluations.jsonl" in err


@pytest.mark.parametrize("name", ["metrics.csv", "results.json"])
def test_a_pipe_in_a_run_is_not_waited_for(run: Path, name: str) -> None:
    (run / name).unlink()
    os.mkfifo(run / name)
    loaded = Run.load(run)
    with pytest.raises(ConfigError, match=name):
        _ = (loaded.rows, loaded.results)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_events_that_are_no_file_are_left_alone(run: Path, make: Callable[[Path], None]) -> None:
    make(run / "events.out.tfevents.1")
    words = [f"resume={run}", "trainer.max_steps=6", "trainer.val_every=2"]
    status, _, err = call(train, "rnnlab-train", *words)
    assert status == 0
    assert "events.out.tfevents.1 must be a regular file, which it is not: left alone" in err


@pytest.mark.parametrize("name", ["samples.md", "profile.txt"])
@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_run_is_told_of_without_the_texts_that_are_lost(
    run: Path, name: str, content: bytes | None
) -> None:
    (run / name).unlink(missing_ok=True)
    if content is not None:
        (run / name).write_bytes(content)
    status, out, _ = call(train, "rnnlab-train", f"resume={run}")
    assert status == 0
    assert out.splitlines()[-1] == str(run)


def test_a_huge_file_takes_no_memory(run: Path) -> None:
    for name in ("run.json", "config.yaml", "metrics.csv", "results.json", "checkpoints/best.ckpt"):
        with (run / name).open("wb") as file:
            file.truncate(2**36)  # of zeros that take no place
    loaded = Run(run)
    for part in ("card", "config", "curve", "results"):
        with pytest.raises(ConfigError, match="too large"):
            getattr(loaded, part)
    with pytest.raises(ConfigError, match="checksum"):
        checkpoint.read(run / "checkpoints/best.ckpt")


@pytest.mark.parametrize(
    "path", ["/dev/zero", "/dev/stdin", "/dev/full", "pipe", "loop", "huge", "zeros"]
)
@pytest.mark.parametrize("task", ["next_char", "translation"])
def test_a_corpus_that_has_no_end_is_refused(tmp_path: Path, path: str, task: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name, size in (("huge", 2**40), ("zeros", 2**30)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)
    words = [word for word in tiny_text(tmp_path / "out") if "=" in word and "task" not in word]
    clauses = ["task.max_clauses=null"] if task == "translation" else []
    argv = [f"task={task}", *clauses, *words, f"task.path={tmp_path / path}"]
    said = refusal(train, "rnnlab-train", *argv)
    assert said.startswith("rnnlab-train: task.path must be a UTF-8 text file, got ")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["text.txt"]


# Data of one's own, and what is to be written


@pytest.fixture(scope="module")
def askable(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs whose tasks read lines, a text, columns, and recordings."""
    out = tmp_path_factory.mktemp("runs")
    small = [*ELMAN, *SMALL, f"output_dir={out}"]
    (out / "sales.csv").write_text("".join(f"{n},{n % 7}\n" for n in range(99)))
    (out / "sounds.ts").write_text(examples.recordings())
    (out / "pictures.csv").write_text(examples.pictures())
    words = {
        "addition": ["task=addition"],
        "series": ["task=series", f"task.path={out / 'sales.csv'}", "task.cue_steps=3"],
        "motions": ["task=motions", f"task.path={out / 'sounds.ts'}"],
        "digits": ["task=digits", f"task.path={out / 'pictures.csv'}"],
    }
    words["series"].append("task.forecast_steps=3")
    made = {task: rnnlab.train([*given, *small]).path for task, given in words.items()}
    return {**made, "next_char": rnnlab.train(tiny_text(out)).path}


ASKED = ("addition", "next_char", "series", "motions", "digits")


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


@pytest.mark.parametrize("task", ASKED)
@pytest.mark.parametrize(
    "make",
    [
        lambda _: None,
        os.mkdir,
        os.mkfifo,
        huge,
        lambda path: path.symlink_to(path),
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(bytes(range(128, 256)) * 9),
        lambda path: path.write_text("\u2603\n\u2603\n"),
    ],
    ids=["missing", "directory", "pipe", "huge", "loop", "device", "empty", "binary", "unknown"],
)
def test_what_cannot_be_asked_is_refused(
    askable: dict[str, Path], tmp_path: Path, task: str, make: Callable[[Path], object]
) -> None:
    make(tmp_path / "asked")
    before = sorted(tmp_path.iterdir())
    words = [f"run={askable[task]}", f"input={tmp_path / 'asked'}", f"output={tmp_path / 'out'}"]
    assert re.search("input[:=]", refusal(predict, "rnnlab-predict", *words))
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("task", "text", "said"),
    [
        ("addition", "1+2\n\x00\n", "line 2 of asked.csv: the source may hold"),
        ("addition", "sum\n1+2,3\n", "line 2 of asked.csv must have 1 cells, as its heading has"),
        ("addition", f"sum\n{'1' * 200_000}\n", "line 2 of asked.csv is not CSV"),
        ("series", "\n\n", "asked.csv must have rows of numbers, got none"),
        ("series", "day,sales\n1,nan\n", "line 2 of asked.csv must have a number"),
        ("series", "day,sales\n1,1e400\n", "line 2 of asked.csv must have a number"),
        ("series", "day,sales\n1,2\n", "asked.csv must have 3 rows or more"),
        ("motions", "name,label,x\na,b,1\n", "must have 2 numbers a step, as in training, got 1"),
        ("digits", "label\n", "asked.csv has nothing to answer"),
    ],
)
def test_columns_that_do_not_fit_are_refused(
    askable: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    task: str,
    text: str,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("asked.csv").write_text(text)
    words = [f"run={askable[task]}", "input=asked.csv", "output=out"]
    assert said in refusal(predict, "rnnlab-predict", *words)
    assert sorted(tmp_path.iterdir()) == [tmp_path / "asked.csv"]


WRITERS: dict[str, Callable[[Path, str], str]] = {
    "predict": lambda run, place: refusal(
        predict, "rnnlab-predict", f"run={run}", "input=asked", f"output={place}"
    ),
    "export": lambda run, place: refusal(
        export, "rnnlab-export", f"run={run}", "to=safetensors", f"output={place}"
    ),
    "sample": lambda run, place: refusal(
        sample, "rnnlab-sample", f"run={run}", "prompt_file=asked", f"answer_file={place}"
    ),
}


@pytest.mark.parametrize("command", WRITERS)
@pytest.mark.parametrize(
    "place",
    ["asked", "./asked", ".", "", "no/x", "asked/x", "loop", "/dev/full", "~nobody_/x", "x" * 300],
)
def test_what_cannot_be_written_anew_is_refused(
    askable: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    place: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("asked").write_text("1+2\n")
    Path("loop").symlink_to("loop")
    before = listing(tmp_path)
    said = WRITERS[command](askable["addition"], place)
    assert ("answer_file" if command == "sample" else "output") in said or "too long" in said
    assert listing(tmp_path) == before


@pytest.mark.parametrize("command", WRITERS)
def test_a_directory_that_cannot_be_written_to_is_refused_at_once(
    askable: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("asked").write_text("1+2\n")
    monkeypatch.setattr(os, "access", lambda path, _: path != tmp_path)
    said = WRITERS[command](askable["addition"], str(tmp_path / "new"))
    assert "must be in a directory that can be written to" in said


@pytest.mark.parametrize("command", ["predict", "export", "sample"])
def test_a_run_that_has_not_got_so_far_is_refused(
    askable: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    if command == "export":
        pytest.importorskip("safetensors", reason="the extra export is missing")
    monkeypatch.chdir(tmp_path)
    Path("asked").write_text("1+2\n")
    run = shutil.copytree(askable["addition"], Path("run"))
    shutil.rmtree(run / "checkpoints")
    (run / "results.json").unlink()
    before = listing(tmp_path)
    assert "best.ckpt is missing: the run has no such checkpoint" in WRITERS[command](run, "new")
    assert listing(tmp_path) == before


@pytest.mark.parametrize(
    "words",
    [
        ["nowhere"],
        ["~nobody_"],
        ["asked"],
        ["pipe"],
        ["x" * 300],
        [".", "sort="],
        [".", "sort=nothing"],
        [".", "metric="],
        [".", "seed>"],
        [".", "=1"],
        [".", "\x1b[31m=1"],
        [".", f"{'a' * 5000}=1"],
        [".", f"limit={'9' * 5000}"],
        [".", "limit=1e3"],
    ],
    ids=lambda words: words[-1][:20],
)
def test_runs_that_cannot_be_listed_are_refused(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained, "run")
    Path("asked").write_text("1+2\n")
    os.mkfifo("pipe")
    before = listing(tmp_path)
    refusal(runs, "rnnlab-runs", *words)
    assert listing(tmp_path) == before


@pytest.mark.parametrize("name", ["config.yaml", "run.json", "results.json"])
@pytest.mark.parametrize("spoil", [os.mkdir, os.mkfifo, huge, lambda path: path.write_bytes(b"{")])
def test_a_damaged_run_is_listed_among_the_others(
    trained: Path, tmp_path: Path, name: str, spoil: Callable[[Path], object]
) -> None:
    for run in ("good", "spoilt"):
        shutil.copytree(trained, tmp_path / "runs" / run)
    (tmp_path / "runs" / "spoilt" / name).unlink()
    spoil(tmp_path / "runs" / "spoilt" / name)
    status, out, err = call(runs, "rnnlab-runs", str(tmp_path / "runs"))
    assert status == 0
    assert "Traceback" not in err
    assert out.splitlines()[1].split()[:3] == ["elman", "copy", "finished"]
    is_run = name != "config.yaml" or spoil not in (os.mkdir, os.mkfifo)
    assert ("runs/spoilt" in out) == is_run


# Damage that the fuzzing found


def test_an_empty_curve_is_damaged(run: Path) -> None:
    (run / "metrics.csv").write_text("")
    with pytest.raises(ConfigError, match=r"metrics\.csv is damaged"):
        _ = rnnlab.load(str(run)).rows


def test_results_that_are_a_directory_stop_a_run_in_a_line(run: Path) -> None:
    (run / "results.json").unlink()
    (run / "results.json").mkdir()
    words = [f"resume={run}", "trainer.max_steps=6"]
    status, _, err = call(train, "rnnlab-train", *words)
    assert status in (1, 2)
    check_lines(err[err.find("rnnlab-train: ") :], "rnnlab-train")
    assert "results.json" in err


@pytest.mark.parametrize(
    "words",
    [
        ["seed=" + "9" * 5000],
        ["task=[[copy]]"],
        ["~dry_run"],
        ["dry_run=x"],
        ["~dry_run", "model.dropout=${a}${b}"],
        ["model.dropout=[" + "[" * 90],
        ["+choices.task=copy"],
    ],
    ids=lambda words: words[-1][:20],
)
def test_words_that_once_were_too_much_are_refused(tmp_path: Path, words: list[str]) -> None:
    refusal(train, "rnnlab-train", *tiny(tmp_path), *words)
    assert not list(tmp_path.iterdir())


# Sizes that no machine has

HUGE = str(2**53)


@pytest.mark.parametrize("key", ["task.length", "data.batch_size", "data.train_size"])
def test_a_size_that_no_machine_has_leaves_no_run_behind(tmp_path: Path, key: str) -> None:
    said = refusal(train, "rnnlab-train", *tiny(tmp_path), f"{key}={HUGE}")
    assert "too large for this machine" in said
    assert not list(tmp_path.iterdir())


def test_a_run_is_not_evaluated_at_a_length_that_no_machine_has(run: Path) -> None:
    said = refusal(evaluate, "rnnlab-evaluate", f"run={run}", f"task.length={HUGE}")
    assert "too large for this machine" in said


@pytest.mark.parametrize("key", ["num_samples", "length"])
def test_nobody_speaks_so_long(run: Path, key: str) -> None:
    said = refusal(sample, "rnnlab-sample", f"run={run}", f"{key}={HUGE}")
    assert "too large for this machine" in said
