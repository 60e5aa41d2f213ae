"""Real training processes that are killed at random moments and go on, against ones that aren't.

`python -m tests.kills --kills 200 --seed 1` does so as often as wanted.
"""

import argparse
import faulthandler
import itertools
import multiprocessing
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from rnnlab.errors import ConfigError
from rnnlab.files import checkpoint, group_commit
from rnnlab.runs.metrics_csv import read_curve
from rnnlab.runs.run import Run
from tests.same import differing
from tests.small_runs import TEXT

Pair = tuple[str, str]
RUNS = "runs"

COMMON = [
    "trainer.max_steps=60",
    "trainer.val_every=13",
    "trainer.log_every=2",
    "data.batch_size=4",
    "data.val_size=6",
    "data.test_size=6",
]
SMALL_CELL = "model.cell.hidden_size=8"
SMALL_MLP = "model.cell.hidden_size=8"
SMALL_PARTS = ["model.encoder.cell.hidden_size=8", "model.decoder.cell.hidden_size=8"]
SMALL_TRANSFORMER = ["model.hidden_size=8", "model.num_heads=2"]
DROPOUT = ["model.num_layers=2", "model.dropout=0.3"]
PAIRS = {
    ("lstm", "next_char"): [SMALL_CELL, *DROPOUT, "task.length=6", "trainer.save_every=3"],
    ("gru", "next_char"): [SMALL_CELL, "task.length=6", "trainer.accumulate=3"],
    ("elman", "copy"): [
        *(SMALL_CELL, "task.length=3", "task.delay=2", "data.train_size=18"),
        *("scheduler=cosine", "scheduler.warmup_steps=3", "trainer.save_every=5"),
    ],
    ("elman", "copy_reverse"): [
        *(SMALL_CELL, "task.length=3", "task.delay=2", "optimizer.lr=0.5"),
        *("trainer.patience=1", "trainer.val_every=4", "trainer.max_steps=400"),
    ],
    ("lstm", "copy_repeat"): [
        *(SMALL_CELL, "task.length=3", "task.delay=2", "optimizer=sgd", "optimizer.momentum=0.9"),
        *("trainer.accumulate=2", "task.min_length=1", "model.initial_state=learned"),
        "trainer.save_minutes=1e-3",
    ],
    ("gru", "addition_marked"): [
        *(SMALL_CELL, "curriculum=linear", "data.curriculum.end=12", "data.curriculum.steps=20"),
        *("scheduler=plateau", "scheduler.patience=0", "optimizer.lr=0.3"),
    ],
    ("jordan", "oscillation"): [
        *(SMALL_MLP, "task.eval_periods=1", "trainer.save_every=1", "trainer.max_steps=20"),
    ],
    ("jordan", "addition"): [SMALL_MLP, *DROPOUT, "trainer.precision=bf16-mixed"],
    ("ar", "oscillation_clamped"): [
        *("task.eval_periods=1", "optimizer=lbfgs", "data.train_size=4"),
        *("trainer.clip_norm=null", "trainer.save_every=2", "trainer.max_steps=20"),
    ],
    ("ar_ffn", "addition_binary"): [SMALL_MLP, "trainer.precision=64-true"],
    ("seq2seq", "translation"): [
        *(*SMALL_PARTS, "model.attention=dot", "model.encoder.dropout=0.3"),
        *("model/teacher_forcing=inverse_sigmoid", "model.teacher_forcing.k=5"),
        *("trainer.save_every=4", "trainer.max_steps=20"),
    ],
    ("seq2seq", "addition"): [
        *(*SMALL_PARTS, "model@model.encoder=gru", "model@model.decoder=elman"),
        *("model/teacher_forcing=linear", "model.teacher_forcing.steps=20"),
    ],
    ("elman", "attractor_memory"): [SMALL_CELL, "task.pattern_size=6", "trainer.save_every=7"],
    ("ctrnn", "series"): [SMALL_CELL, "trainer.save_every=6"],
    ("mrnn", "parity"): [SMALL_CELL, "task.length=5", "trainer.save_every=4"],
    ("min_gru", "labels"): [SMALL_CELL, *DROPOUT],
    ("ctrnn", "morse"): [SMALL_CELL],
    ("elman", "sentences"): [SMALL_CELL, "task.length=5"],
    ("gru", "gap"): [SMALL_CELL],
    ("stack_rnn", "counting"): [SMALL_CELL, "model.cell.depth=6", "task.length=4"],
    ("ntm", "reber"): [SMALL_CELL, "model.cell.num_locations=4", "model.cell.location_size=3"],
    ("transformer", "scan"): [*SMALL_TRANSFORMER, "model.dropout=0.2", "trainer.max_steps=20"],
    ("transformer_seq2seq", "speech"): [*SMALL_TRANSFORMER, "task.length=3"],
    ("lstm", "speech_ctc"): [SMALL_CELL, "task.length=3", "trainer.accumulate=2"],
    ("gru", "next_word"): [SMALL_CELL, "model.embedding_size=4", "task.length=6"],
    ("jordan", "adder_program"): [SMALL_MLP, "task.length=2"],
    ("ar_ffn", "flip_flop"): [SMALL_MLP, "trainer.save_minutes=1e-3"],
    ("elman", "regular"): [SMALL_CELL, "task.length=4"],
    ("lstm", "temporal_order"): [SMALL_CELL, "task.length=8", "trainer.save_every=5"],
    ("gru", "latch"): [SMALL_CELL, "task.length=6", "trainer.precision=64-true"],
    ("elman", "letters"): [SMALL_CELL, "model.horizon=1"],
    ("elman", "temporal_xor"): [SMALL_CELL, "trainer.save_every=3"],
}
PHASES = {
    "write_atomically": "a file being written",
    "write_results": "the final scores",
    "evaluation_loop": "validation",
    "_fit": "training",
}
"""What a process was doing, by what it had called; the first that fits, or else it was starting."""

TOUCHED = "touched:\n"

MOST = 4
"""Kills of one run."""

LONGEST = 120.0
"""Seconds after which a process hangs."""


def train() -> None:
    """Call `rnnlab-train`, whose modules are loaded before a process is forked."""
    from rnnlab.cli.train import main

    main()


@dataclass(frozen=True)
class Life:
    """What became of a process.

    Attributes:
        status: its exit status; below 0 a signal killed it.
        seconds: from its start to its end.
        diary: what it printed, and where it was when it was killed.
    """

    status: int
    seconds: float
    diary: str

    @property
    def touches(self) -> list[str]:
        """What it did to its files, if it came to its end."""
        return self.diary.rpartition(TOUCHED)[2].splitlines()

    @property
    def phase(self) -> str:
        """What it was doing when it was killed."""
        return next((phase for name, phase in PHASES.items() if name in self.diary), "start-up")


class Process:
    """A training process.

    Args:
        words: of its command line.
        place: a directory for its run and its diary.
        fresh: whether it starts from nothing, which takes seconds, or is forked from a process
            that has loaded all modules and done nothing yet.
        touch: which touch of its files it doesn't live to do, from 0, or `None`.
        main: a function of a module, which it calls.
    """

    def __init__(
        self,
        words: list[str],
        place: Path,
        *,
        fresh: bool = False,
        touch: int | None = None,
        main: Callable[[], None] = train,
    ) -> None:
        place.mkdir(exist_ok=True)
        self.diary = place / "diary.txt"
        self.diary.unlink(missing_ok=True)
        context = multiprocessing.get_context("spawn" if fresh else "forkserver")
        if not fresh:  # pytest, for children import what their parent's program is
            context.set_forkserver_preload(
                ["pytest", "hydra", "rnnlab.training.train", "rnnlab.runs.summary"]
            )
        arguments = (main, words, f"{place / RUNS}", self.diary, touch)
        self.process = context.Process(target=_live, args=arguments, daemon=True)
        self.process.start()
        self.began = time.monotonic()

    def end(self, seconds: float | None = None) -> Life:
        """Wait for its end, or kill it so many seconds after its start.

        Raises:
            TimeoutError: it hangs.
        """
        until = self.began + (LONGEST if seconds is None else seconds)
        self.process.join(max(until - time.monotonic(), 0))
        took = time.monotonic() - self.began
        if self.process.is_alive():
            self._ask()
            self.process.kill()
            self.process.join()
            if seconds is None:
                raise TimeoutError(self.read())
        return Life(self.process.exitcode, took, self.read())

    def read(self) -> str:
        """Give what it has written down."""
        return self.diary.read_text(encoding="utf-8") if self.diary.exists() else ""

    def _ask(self) -> None:
        """Let it write down where it is, which takes it less than a millisecond."""
        if self.read():  # it has begun to listen
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGUSR1)
            for _ in range(100):
                if " in _live" in self.read():
                    return
                time.sleep(0.001)


def _live(
    main: Callable[[], None], words: list[str], root: str, diary: Path, touch: int | None
) -> None:
    """Call a main; a process does nothing else."""
    with diary.open("w", buffering=1, encoding="utf-8") as file:
        faulthandler.register(signal.SIGUSR1, file)
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        print(*words, file=file)
        touches = _watch(root, file, touch)
        sys.argv = ["rnnlab-train", *words]
        main()
        print(end=TOUCHED, file=file)
        print(*touches, sep="\n", file=file)


def _watch(root: str, diary: TextIO, last: int | None) -> list[str]:
    """Write down what opens, flushes, moves, removes or makes files in a directory; die at one."""
    touches: list[str] = []
    flush, flush_all = os.fsync, group_commit.syncfs

    def die() -> None:
        faulthandler.dump_traceback(diary)
        os.kill(os.getpid(), signal.SIGKILL)

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("open", "os.rename", "os.remove", "os.mkdir"):
            path = str(arguments[0])
            if path.startswith(root):
                if len(touches) == last:
                    die()
                touches.append(f"{event} {plain(Path(path).name)}")

    def fsync(descriptor: int) -> None:
        if len(touches) == last:
            with suppress(OSError):  # of what was opened to be read
                os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)  # half written
            die()
        touches.append("fsync")
        flush(descriptor)

    def syncfs(descriptor: int) -> None:
        if len(touches) == last:
            die()
        touches.append("syncfs")
        flush_all(descriptor)

    sys.addaudithook(watch)
    os.fsync = fsync
    group_commit.syncfs = syncfs
    return touches


def plain(name: str) -> str:
    """Leave out of a name what each writer makes up."""
    return re.sub(r"\.[0-9a-f]{8}\.part$", ".part", name)


class Campaign:
    """Many kills, counted.

    Args:
        directory: for all runs.

    Attributes:
        runs: that were killed and came to their end.
        kills: by what they met.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.runs = 0
        self.kills: Counter[str] = Counter()
        self._whole: dict[tuple[Pair, bool], tuple[Run, Life]] = {}
        (directory / "text.txt").write_text(TEXT, encoding="utf-8")

    def __str__(self) -> str:
        met = ", ".join(f"{number} in {phase}" for phase, number in self.kills.most_common())
        return f"{self.runs} runs were killed {self.kills.total()} times: {met}"

    def words(self, pair: Pair, place: Path) -> list[str]:
        """Give the command line that begins a run."""
        model, task = pair
        text = (
            [f"task.path={self.directory / 'text.txt'}"]
            if task in ("next_char", "next_word")
            else []
        )
        chosen = [f"model={model}", f"task={task}", *COMMON, *PAIRS[pair], *text]
        return [*chosen, f"output_dir={place / RUNS}"]

    def whole(self, pair: Pair, *, fresh: bool = False) -> tuple[Run, Life]:
        """Give a run that nobody killed, and its process; it is made once."""
        if (pair, fresh) not in self._whole:
            place = self.directory / f"{'-'.join(pair)}-{'fresh' if fresh else 'forked'}"
            life = Process(self.words(pair, place), place, fresh=fresh).end()
            assert life.status == 0, life.diary
            self._whole[pair, fresh] = runs(place)[0], life
        return self._whole[pair, fresh]

    def story(self, pair: Pair, seed: int, *, fresh: bool = False) -> list[str]:
        """Kill a run at random moments, and let it go on; gives what is wrong with the end."""
        _, life = self.whole(pair, fresh=fresh)
        rng = np.random.default_rng([seed, list(PAIRS).index(pair), fresh])
        place = self.directory / f"{'-'.join(pair)}-{seed}"
        kills: list[str] = []
        while True:
            seconds = touch = None
            if not kills or (len(kills) < MOST and rng.random() < 0.5):
                if rng.random() < 0.5:
                    seconds = rng.random() * life.seconds
                else:
                    touch = int(rng.integers(len(life.touches)))
            now = self.go_on(pair, place, fresh=fresh, touch=touch).end(seconds)
            if now.status < 0:
                self.kills[now.phase] += 1
                kills.append(f"\nkilled in {now.phase}:\n{now.diary}")
                problems = [problem for run in runs(place) for problem in half_written(run)]
            elif now.status > 0:
                problems = [f"status {now.status}: {now.diary}"]
            elif kills:
                problems = self.problems(pair, place)
            else:
                problems = []  # it was faster than the one that was measured: once more
            if problems:
                return [*problems, *kills]
            if now.status == 0:
                shutil.rmtree(place)
                if kills:
                    self.runs += 1
                    return []

    def go_on(self, pair: Pair, place: Path, **how: Any) -> Process:
        """Resume the run in a place, or begin it if there is none."""
        words = [f"resume={run.path}" for run in runs(place)] or self.words(pair, place)
        return Process(words, place, **how)

    def problems(self, pair: Pair, place: Path) -> list[str]:
        """Say what a run that was killed and came to its end has otherwise than a whole one."""
        found = runs(place)
        if len(found) != 1:
            return [f"{len(found)} runs instead of one"]
        (run,) = found
        status = run.card["status"]
        return [
            *(f"differs: {name}" for name in differing(run, self.whole(pair)[0])),
            *(f"left: {path}" for path in run.path.rglob("*.part")),
            *([] if status == "finished" else [f"its status is {status}"]),
        ]


def runs(place: Path) -> list[Run]:
    """Find the runs that a person would see."""
    return [Run.load(path) for path in (place / RUNS).glob("*/*/[!.]*")]


def half_written(run: Run) -> list[str]:
    """Name the files that a kill left unreadable."""
    readers = {
        "config.yaml": lambda _: run.config,
        "run.json": lambda _: run.card,
        "metrics.csv": read_curve,
        "results.json": lambda _: run.results,
        "checkpoints/*.ckpt": checkpoint.read,
    }
    problems = []
    for pattern, read in readers.items():
        for path in run.path.glob(pattern):
            try:
                read(path)
            except ConfigError as error:
                problems.append(str(error))
    return problems


def main() -> None:
    """Kill as often as wanted, print what is wrong, and how often what was hit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory() as directory:
        campaign = Campaign(Path(directory))
        for number in itertools.count():
            pair, seed = list(PAIRS)[number % len(PAIRS)], wanted.seed * 10_000 + number
            problems = campaign.story(pair, seed, fresh=number % 10 == 9)
            wrong += bool(problems)
            if problems:
                print(*pair, seed, *problems, sep="\n", flush=True)
            if campaign.kills.total() >= wanted.kills:
                break
    print(f"{wrong} went wrong of", campaign)
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
