"""Runs and sweeps of which files are damaged at random, and all commands over them.

`python -m tests.damage --files 500 --seed 1` does so as often as wanted, and prints what a command
did otherwise than end in bounded time and memory with a status that it documents and clear lines.
"""

import argparse
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import yaml

import rnnlab
from rnnlab.cli import analyze, diff, evaluate, report, sample, train
from rnnlab.cli.exits import command
from rnnlab.errors import ConfigError
from rnnlab.runs.run import Run
from tests.calls import call, listing
from tests.small_runs import ELMAN, SMALL, tiny, tiny_text

SECONDS = 60
"""That a command may take; it takes one, but on a machine that does much else."""
KILOBYTES = 2**20
"""By which the process may grow while a command runs."""

RUN, TEXT, SWEEP, SEARCH = "run", "text", "sweeps/s", "sweeps/o"
SWEPT = ["sweep_name=s", "seed=0,1,2,3", "optimizer.lr=0.01"]
SEARCHED = [
    *("sweep_name=o", "hydra/sweeper=optuna", "hydra.sweeper.n_trials=3"),
    "optimizer.lr=tag(log,interval(1e-3,1e-1))",
]
ODD = [None, True, -1, 0, 1.5, 10**400, 2**60, "", "x", "../x", [], [1], {}, {"a": 1}, "\x1b[2J"]


class Command(NamedTuple):
    """A command: its main, and its words over what lies in a place."""

    main: Callable[[], None]
    words: Callable[[Path], list[str]]
    statuses: tuple[int, ...]


def _on_run(main: Callable[[], None], name: str, *words: str, of: str = RUN) -> Command:
    return Command(main, lambda place: [name, f"run={place / of}", *words], (0, 1, 2))


def _train(*words: str) -> Callable[[Path], list[str]]:
    return lambda place: ["rnnlab-train", *(word.format(place=place) for word in words)]


def _sweep(*words: str) -> Command:
    told = lambda place: ["rnnlab-train", "-m", *tiny(place), *words]  # noqa: E731
    return Command(train.main, told, (0, 1, 2, 3))


READING = [*ELMAN, *SMALL, "task=next_char", "task.length=5", "task.path={place}/text/text.txt"]
READING += ["output_dir={place}/text"]


def _load() -> None:
    """Read all that a run wrote, as Python code does."""
    run = rnnlab.load(sys.argv[1])
    for part in ("card", "results", "curve", "config", "task", "model"):
        with suppress(ConfigError):
            getattr(run, part)


LONGER = ("trainer.max_steps=6", "trainer.val_every=2")
COMMANDS: dict[str, dict[str, Command]] = {
    RUN: {
        "resume": Command(train.main, _train("resume={place}/run", *LONGER), (0, 1, 2, 3)),
        "resume, finished": Command(train.main, _train("resume={place}/run"), (0, 1, 2, 3)),
        "init_from": Command(
            train.main,
            lambda place: ["rnnlab-train", *tiny(place / "new"), f"init_from={place / RUN}"],
            (0, 1, 2, 3),
        ),
        "evaluate": _on_run(evaluate.main, "rnnlab-evaluate", "data.test_size=4"),
        "sample": _on_run(sample.main, "rnnlab-sample"),
        "analyze": _on_run(analyze.main, "rnnlab-analyze", "analysis=lengths,gradient_flow"),
        "load": Command(lambda: command("load", _load), lambda p: ["load", str(p / RUN)], (0, 2)),
        "diff": Command(
            diff.main, lambda p: ["rnnlab-diff", str(p / RUN), str(p / "other")], (0, 1, 2)
        ),
        "report": Command(report.main, lambda place: ["rnnlab-report", str(place)], (0, 2)),
    },
    TEXT: {
        "resume": Command(train.main, _train("resume={place}/text/run", *LONGER), (0, 1, 2, 3)),
        "evaluate": _on_run(evaluate.main, "rnnlab-evaluate", of=f"{TEXT}/run"),
        "sample": _on_run(sample.main, "rnnlab-sample", "prompt=li", "length=9", of=f"{TEXT}/run"),
        "train": Command(train.main, _train(*READING), (0, 1, 2, 3)),
    },
    SWEEP: {
        "report": Command(report.main, lambda p: ["rnnlab-report", str(p / SWEEP)], (0, 2)),
        "go on": _sweep(*SWEPT),
        "go on, joined": _sweep(*SWEPT, "hydra/launcher=vectorized"),
    },
    SEARCH: {
        "report": Command(report.main, lambda p: ["rnnlab-report", str(p / SEARCH)], (0, 2)),
        "go on": _sweep(*SEARCHED[:2], "hydra.sweeper.n_trials=4", SEARCHED[3]),
    },
}

if not (find_spec("matplotlib") and find_spec("scipy")):
    del COMMANDS[RUN]["analyze"]
if not find_spec("optuna"):
    del COMMANDS[SEARCH]


class World:
    """What is damaged, whole and as it is now; both lie in one directory, and nothing else."""

    def __init__(self, root: Path) -> None:
        self.root, self.place, self.whole = root, root / "now", root / "whole"
        self.place.mkdir()
        for name in (RUN, "other"):
            made = rnnlab.train(tiny(self.place / "made", "watch=light", "watch_every=2"))
            made.path.rename(self.place / name)
        made = rnnlab.train(tiny_text(self.place / TEXT))
        made.path.rename(self.place / TEXT / "run")
        begun = [*SWEPT[:1], "seed=0,1", *SWEPT[2:]]
        for words in (begun, *([SEARCHED] if SEARCH in COMMANDS else [])):
            call(train.main, "rnnlab-train", "-m", *tiny(self.place), *words)
        call(train.main, "rnnlab-train", "-m", *tiny(self.place), SWEPT[0], "data.val_size=0")
        call(report.main, "rnnlab-report", str(self.place / SWEEP))
        left = min((self.place / SWEEP).glob("*/run.json"))  # has its final scores to do
        left.write_text(left.read_text().replace('"finished"', '"interrupted"'))
        (left.parent / "results.json").unlink()
        self.place.rename(self.whole)
        shutil.copytree(self.whole / RUN, root / "outside")
        self.before = listing(root / "outside")

    def mend(self) -> None:
        """Make all whole again."""
        if self.place.exists():
            shutil.rmtree(self.place)
        shutil.copytree(self.whole, self.place)

    def touched(self) -> list[str]:
        """Say what was changed or made where nobody had to."""
        outside = listing(self.root / "outside")
        names = sorted({*outside, *self.before})
        changed = [f"outside/{n}" for n in names if outside.get(n, 0) != self.before.get(n, 0)]
        others = {path.name for path in self.root.iterdir()} - {"now", "whole", "outside"}
        return [*changed, *sorted(others)]


# Ways to damage a file.


def _link(path: Path, target: Path | str) -> None:
    path.unlink()
    path.symlink_to(target)


def _replace(make: Callable[[Path], None]) -> Callable[..., None]:
    def replace(path: Path, _: random.Random, __: Path) -> None:
        path.unlink()
        make(path)

    return replace


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


def _rewrite(change: Callable[[bytes, random.Random], bytes]) -> Callable[..., None]:
    def rewrite(path: Path, rng: random.Random, _: Path) -> None:
        path.write_bytes(change(path.read_bytes(), rng))

    return rewrite


def _flip(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) or 1)
    return data[:at] + bytes(b ^ 1 << rng.randrange(8) for b in data[at : at + 1]) + data[at + 1 :]


def _values(path: Path, rng: random.Random, _: Path) -> None:
    """Put another value, or one of another type, where a file has values."""
    if path.suffix in (".json", ".yaml", ".journal"):
        text = path.read_text()
        lines = text.splitlines() if path.suffix == ".journal" else [text]
        which = rng.randrange(len(lines))
        tree = yaml.safe_load(lines[which])
        at: list[tuple[Any, Any]] = []
        _collect(tree, at)
        for node, key in rng.sample(at, min(rng.choice([1, 1, 1, 3]), len(at))):
            node[key] = rng.choice(ODD)
        with suppress(ValueError):  # a number of too many digits
            lines[which] = json.dumps(tree)
        path.write_text("\n".join(lines) + "\n")
    else:
        cells = path.read_bytes().split(b",")
        cells[rng.randrange(len(cells))] = str(rng.choice([*ODD[:6], "nan", "1,2,3"])).encode()
        path.write_bytes(b",".join(cells))


def _collect(node: Any, found: list[tuple[Any, Any]]) -> None:
    for key in node if isinstance(node, dict) else range(len(node)):
        found.append((node, key))
        if isinstance(node[key], (dict, list)):
            _collect(node[key], found)


WAYS: dict[str, Callable[[Path, random.Random, Path], None]] = {
    "truncate": _rewrite(lambda data, rng: data[: rng.randrange(len(data) or 1)]),
    "flip": _rewrite(_flip),
    "empty": _rewrite(lambda *_: b""),
    "garbage": _rewrite(lambda _, rng: rng.randbytes(rng.choice([1, 100, 5000]))),
    "deep": _rewrite(lambda *_: b"[" * 100_000),
    "twice": _rewrite(lambda data, _: data + data),
    "delete": _replace(lambda _: None),
    "directory": _replace(Path.mkdir),
    "pipe": _replace(os.mkfifo),
    "huge": _replace(_huge),
    "link to /dev/zero": lambda path, *_: _link(path, "/dev/zero"),
    "link to itself": lambda path, *_: _link(path, path.name),
    "link to nothing": lambda path, _, out: _link(path, out / "new"),
    "link outside": lambda path, rng, out: _link(
        path, rng.choice([p for p in out.rglob("*") if p.is_file()])
    ),
    "values": _values,
    "other values": _values,
    "still other values": _values,
}


def _move(path: Path, _: random.Random, __: Path) -> None:
    """Put a link in the place of a directory, to what it held."""
    path.rename(path.with_name(f"{path.name}.moved"))
    path.symlink_to(f"{path.name}.moved")


def _instead(make: Callable[..., None]) -> Callable[..., None]:
    def replace(path: Path, rng: random.Random, out: Path) -> None:
        shutil.rmtree(path)
        path.touch()
        make(path, rng, out)

    return replace


FOLDER_WAYS: dict[str, Callable[[Path, random.Random, Path], None]] = {
    "delete": _instead(WAYS["delete"]),
    "file": _instead(lambda *_: None),
    "pipe": _instead(WAYS["pipe"]),
    "link to itself": _instead(WAYS["link to itself"]),
    "link outside": _instead(lambda path, _, out: _link(path, out)),
    "link inside": _move,
}


class Case(NamedTuple):
    """One case: what is damaged how, and which command runs over it."""

    subject: str
    command: str
    damage: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        """Tell it in a line."""
        told = ", ".join(f"{path}: {way}" for path, way in self.damage)
        return f"{self.command} over {self.subject} with {told}"


def draw(world: World, rng: random.Random) -> Case:
    """Draw a case; most have one file damaged."""
    subject = rng.choice([*COMMANDS])
    files = sorted(p for p in (world.whole / subject).rglob("*") if p.is_file())
    # The many events and figures are not drawn more often than what is read.
    light = [p for p in files if "report" not in p.parts and "events" not in p.name]
    # A run that is named on the command line may be a link, and is then the run there.
    folders = (p for p in (world.whole / subject).rglob("*") if p.is_dir())
    files += sorted(p for p in folders if p != world.whole / TEXT / "run")
    chosen = rng.sample(light if rng.random() < 0.8 else files, rng.choice([1, 1, 2]))
    ways = {True: [*FOLDER_WAYS], False: [*WAYS]}
    damage = tuple((str(p.relative_to(world.whole)), rng.choice(ways[p.is_dir()])) for p in chosen)
    return Case(subject, rng.choice([*COMMANDS[subject]]), damage)


def problems(world: World, case: Case, rng: random.Random, ends: Counter[str]) -> list[str]:
    """Damage, run the command, and say what it did that it shouldn't; `ends` counts statuses."""
    world.mend()
    for name, way in case.damage:
        path = world.place / name
        if path.exists() and not path.is_symlink():  # nor in a directory that was damaged
            ways = FOLDER_WAYS if path.is_dir() else WAYS
            ways[way](path, rng, world.root / "outside")
    main, words_over, statuses = COMMANDS[case.subject][case.command]
    words = words_over(world.place)
    grown, began = _memory(), time.monotonic()
    late: list[bool] = []

    def stop(_: int, __: FrameType | None) -> None:
        late.append(True)
        raise TimeoutError("it waits for something that never comes")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        status, out, err = call(main, *words)
    except BaseException:
        return [traceback.format_exc()]
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    ends[f"{case.command} over {case.subject}: status {status}"] += 1
    found = [f"it took {time.monotonic() - began:.0f} s"] if late else []
    if status not in statuses:
        found.append(f"its status is {status}: {err[-500:]}")
    if "Traceback" in out + err:
        found.append(f"a traceback: {err[-2000:]}")
    raw = {c for c in out + err if not c.isprintable() and c not in "\n\t"}
    if raw:
        found.append(f"it printed {raw}")
    if status and "-m" not in words and case.command != "diff":
        lines = err.strip().splitlines()
        if not lines or not lines[-1].startswith(f"{words[0]}: "):
            found.append(f"its last line is {lines[-1:]}, status {status}")
    if _memory() - grown > KILOBYTES:
        found.append(f"it took {(_memory() - grown) // 1024} MB")
    for path in world.place.glob("sweeps/*/failures/*.txt"):
        if not path.is_symlink() and path.is_file():
            found.append(path.read_text(errors="replace")[-2000:])
    found += [f"it touched {name}" for name in world.touched()]
    if case.command.startswith("go on") and case.subject == SWEEP:
        found += _left(world, case)
    return found


def _left(world: World, case: Case) -> list[str]:
    """Name the jobs that a sweep left, though nothing of theirs was damaged."""
    spoilt = {Path(name).parts[2] for name, _ in case.damage}
    if spoilt & {"multirun.yaml", "failures"}:
        return []  # it may be refused as a whole
    ended = []
    for path in (world.place / SWEEP).glob("[!.]*/config.yaml"):
        with suppress(ConfigError):
            ended += [path.parent.name] if Run.load(path.parent).is_finished else []
    whole = len({*ended} - spoilt)
    jobs = 4 - len([name for name in spoilt if (world.whole / SWEEP / name / "run.json").exists()])
    return [] if whole >= jobs else [f"{jobs - whole} jobs were not done"]


def _memory() -> int:
    """Give the most that this process had so far, in kilobytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most // 1024 if sys.platform == "darwin" else most


def campaign(root: Path, files: int, seed: int, tell: Callable[[str], None]) -> Counter[str]:
    """Damage so many files in turn; gives how many cases there were, and went wrong."""
    world, rng, count = World(root), random.Random(seed), Counter(files=0, cases=0, wrong=0)
    while count["files"] < files:
        case = draw(world, rng)
        count["files"] += len(case.damage)
        count["cases"] += 1
        if found := problems(world, case, rng, count):
            count["wrong"] += 1
            lines = [line for text in found for line in text.splitlines()]
            tell("\n    ".join([str(case), *lines]))
    return count


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        counted = campaign(Path(directory), options.files, options.seed, print)
    print(*(f"{number:6} {what}" for what, number in counted.items()), sep="\n")
    sys.exit(bool(counted["wrong"]))
