"""Every model on every task by the same small budget: `python scripts/pairs.py [--write]`.

For each pair runs the three commands that a person would: train, evaluate, sample; the dearest
models last, and with `--workers 16` in as many processes. Prints the test scores, and with
`--write` puts the table into docs/pairs.md. Scores are kept in outputs/pairs.json under a digest
of code and configs, so that the same command goes on where it was, and so that `--merge FILE`
takes in what another machine has kept. It says what a first minute gives, not what a pair can
learn: for that see `scripts/learn.py`.
"""

import argparse
import hashlib
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from importlib import import_module
from io import StringIO
from math import inf
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import record
from record import ROOT, commit_of_this
from rnnlab.config.compose import compose
from rnnlab.experiment import Experiment
from rnnlab.runs.run import Run

PAGE, KEPT = ROOT / "docs/pairs.md", ROOT / "outputs/pairs.json"
MODELS = (
    *("ar", "ar_ffn", "jordan", "elman", "ctrnn", "mrnn", "gru", "lstm", "min_gru"),
    *("stack_rnn", "ntm", "transformer", "seq2seq", "transformer_seq2seq"),
)
DEAR = ("transformer", "transformer_seq2seq", "ntm")  # these come last
BUDGET = [
    "trainer.max_steps=300",
    "trainer.val_every=300",
    "data.val_size=64",
    "data.test_size=256",
]
TAPS = 16
FIVE = ["task.eval_periods=5"]
TASKS = {  # settings, metric, what it is
    "next_char": (["task.length=50"], "loss", "nats per character ↓"),
    "next_word": (["task.min_count=50"], "perplexity", "perplexity per word ↓"),
    "next_pixel": ([], "bits_per_pixel", "bits per pixel, of encoder-decoders in lower halves ↓"),
    "series": (["task.cue_steps=16"], "nrmse", "NRMSE one step ahead, Mackey-Glass ↓"),
    "oscillation": (FIVE, "free_distance", "distance from the figure eight, 5 free periods ↓"),
    "oscillation_clamped": (FIVE, "free_distance", "the same, without input ↓"),
    "digits": ([], "accuracy", "digits right, row by row"),
    "motions": ([], "accuracy", "activities right"),
    "speakers": ([], "accuracy", "speakers right"),
    "gestures": ([], "accuracy", "gestures right"),
    "labels": ([], "accuracy", "languages right"),
    "morse": ([], "exact_match", "letters right"),
    "caption": ([], "free_accuracy", "words of captions right"),
    "translation": (["task.max_clauses=1"], "free_accuracy", "words right"),
    "phonemes": (["task.common=1250"], "free_phoneme_error", "phonemes wrong ↓"),
    "phonemes_aligned": (["task.common=1250"], "phoneme_error", "the same, letter by letter ↓"),
    "speech": ([], "free_character_error", "characters wrong ↓"),
    "speech_ctc": ([], "character_error", "the same, answered in step ↓"),
    "scan": ([], "free_accuracy", "actions right"),
    "addition": ([], "free_accuracy", "digits right"),
    "addition_binary": ([], "free_accuracy", "bits right"),
    "addition_marked": ([], "free_loss", "mean squared error ↓"),
    "parity": ([], "free_accuracy", "parity right"),
    "copy": (["task.delay=5"], "free_accuracy", "symbols right"),
    "copy_reverse": (["task.delay=5"], "free_accuracy", "symbols right"),
    "copy_repeat": (["task.delay=5"], "free_accuracy", "symbols right"),
    "adder_program": ([], "accuracy", "actions right"),
    "regular": ([], "accuracy", "states of a circle of five right"),
    "counting": ([], "accuracy", "sets of next symbols right, a^n b^n"),
    "reber": ([], "second_last", "second-last symbols right, embedded"),
    "letters": ([], "loss", "mean squared error ↓"),
    "sentences": ([], "cosine", "cosine to the probabilities of the next word"),
    "temporal_xor": ([], "loss_third", "mean squared error of each third bit ↓"),
    "flip_flop": ([], "accuracy", "held bits right"),
    "gap": ([], "trigger", "second triggers right"),
    "temporal_order": ([], "accuracy", "orders right"),
    "latch": ([], "accuracy", "held bits right, at the end"),
    "attractor_memory": ([], "free_accuracy", "bits right"),
}


class Pair(NamedTuple):
    """A model on a task."""

    model: str
    task: str
    settings: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.model} on {self.task}"


class Outcome(NamedTuple):
    """A test score with the processor seconds it took, or what went wrong."""

    score: float | None
    seconds: float = 0.0
    error: str = ""


def pair_of(model: str, task: str) -> Pair:
    """Give a pair its settings, but those that depend on the task's sequences."""
    return Pair(model, task, (f"model={model}", f"task={task}", *TASKS[task][0], *BUDGET))


def words(pair: Pair) -> list[str]:
    """Give all settings of a pair."""
    if not pair.model.startswith("ar"):
        return [*pair.settings]
    longest = Experiment.assemble(compose([*pair.settings])).task.longest()
    return [*pair.settings, f"model.cell.taps={min(TAPS, longest or TAPS)}"]


def command(name: str, *arguments: str) -> str:
    """Run one of our commands in this process, and give what it printed."""
    main = import_module(f"rnnlab.cli.{name}").main
    words = [f"rnnlab-{name}", *arguments]
    printed, told = StringIO(), StringIO()
    with patch.object(sys, "argv", words), redirect_stdout(printed), redirect_stderr(told):
        try:
            main()
        except SystemExit as end:
            if end.code:
                raise RuntimeError(f"{' '.join(words)} ended with {told.getvalue()}") from end
    return printed.getvalue()


def score(task: str, chosen: list[str], directory: str) -> float:
    """Train, evaluate and sample from the command line; gives the test score."""
    printed = command("train", *chosen, f"output_dir={directory}")
    run = Run.load(printed.splitlines()[-1])
    command("evaluate", f"run={run.path}", "data.test_size=64")
    if not command("sample", f"run={run.path}").strip():
        raise RuntimeError(f"nothing was sampled from {' '.join(chosen)}")
    metric = TASKS[task][1]
    test = run.results["test"]  # a model that reads no answers has the plain metric alone
    return float(test[metric] if metric in test else test[metric.removeprefix("free_")])


def outcome(pair: Pair, place: Path) -> Outcome:
    """Score a pair, in a new directory in `place`."""
    began = time.process_time()
    try:
        with tempfile.TemporaryDirectory(dir=place) as directory:
            value = score(pair.task, words(pair), directory)
    except Exception as error:  # of any kind: the other pairs go on
        return Outcome(None, error=repr(error))
    return Outcome(value, round(time.process_time() - began, 1))


def in_turn(pairs: Sequence[Pair], place: Path, end: float) -> Iterator[tuple[Pair, Outcome]]:
    """Score pairs in this process; none is begun after `end`, a time of the monotonic clock."""
    for pair in pairs:
        if time.monotonic() >= end:
            return
        yield pair, outcome(pair, place)


def by_workers(
    pairs: Sequence[Pair], place: Path, end: float, workers: int
) -> Iterator[tuple[Pair, Outcome]]:
    """Score pairs in processes of their own, which are killed at `end`."""
    context = multiprocessing.get_context("spawn")
    waiting, processes = list(reversed(pairs)), []
    running: dict[Connection, Pair] = {}
    idle: list[Connection] = []
    try:
        while True:
            while waiting and len(running) < workers:
                if not idle:
                    pipe, far = context.Pipe()
                    idle.append(pipe)
                    processes.append(context.Process(target=work, args=(far, place), daemon=True))
                    processes[-1].start()
                    far.close()
                pipe = idle.pop()
                running[pipe] = waiting.pop()
                with suppress(OSError):  # it has died, which is seen below
                    pipe.send(running[pipe])
            left = None if end == inf else max(end - time.monotonic(), 0)
            ready = wait(list(running), left) if running else []
            if not ready:  # nothing is left, or no time
                return
            for pipe in [pipe for pipe in running if pipe in ready]:
                pair = running.pop(pipe)
                try:
                    yield pair, pipe.recv()
                    idle.append(pipe)
                except (EOFError, OSError):
                    yield pair, Outcome(None, error="its process died")
    finally:
        for process in processes:
            process.kill()
            process.join()


def work(pipe: Connection, place: Path) -> None:
    """Score the pairs that come by a pipe, as long as its other end is open."""
    with suppress(EOFError, OSError):
        while True:
            pipe.send(outcome(pipe.recv(), place))


def digest() -> str:
    """Return a digest of the code and the configs, on which scores depend."""
    found = hashlib.sha256()
    for place in ("src", "configs"):
        for path in sorted((ROOT / place).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                content = path.read_bytes()
                found.update(f"{path.relative_to(ROOT).as_posix()} {len(content)}\n".encode())
                found.update(content)
    return found.hexdigest()[:16]


def table(scores: dict[Pair, str]) -> str:
    """Lay scores out, one row for each task; what has none is shown as missing."""
    lines = [
        "| task | score | " + " | ".join(name.replace("_", "<br>") for name in MODELS) + " |",
        "|---|---|" + "---|" * len(MODELS),
    ]
    for task, (_, _, meaning) in TASKS.items():
        cells = [scores.get(pair_of(model, task), "-") for model in MODELS]
        lines.append(f"| {task} | {meaning} | {' | '.join(cells)} |")
    return "\n".join(lines)


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Every model on every task, by a small budget.")
    add = parser.add_argument
    add("--write", action="store_true", help="put the table into docs/pairs.md")
    add("--workers", type=int, default=1, metavar="N", help="processes, of one thread each")
    add("--only", default="", metavar="TEXT", help="these pairs, such as 'gru on' or 'on copy'")
    add("--deadline", type=float, default=inf, metavar="SECONDS", help="end after these")
    add("--keep", type=Path, default=KEPT, metavar="FILE", help="where scores are kept")
    add("--merge", type=Path, metavar="FILE", help="take in the scores of another machine")
    return parser.parse_args()


def main() -> None:
    """Score the pairs that have no score yet, and show the table."""
    chosen, commit, code = options(), commit_of_this(), digest()
    end = time.monotonic() + chosen.deadline
    if chosen.write and commit is None:
        raise SystemExit(f"pairs: --write needs src, configs and scripts as committed in {ROOT}")
    chosen.keep.parent.mkdir(exist_ok=True)
    kept = record.read(chosen.keep)  # by digest, metric and settings
    if chosen.merge:
        kept |= json.loads(chosen.merge.read_text(encoding="utf-8"))
        record.write(chosen.keep, kept)
    pairs = [pair_of(model, task) for model in MODELS for task in TASKS]
    keys = {pair: f"{code} {TASKS[pair.task][1]} {' '.join(pair.settings)}" for pair in pairs}
    left = [pair for pair in pairs if keys[pair] not in kept and chosen.only in str(pair)]
    left.sort(key=lambda pair: pair.model in DEAR and 1 + DEAR.index(pair.model))
    broken = {}
    with tempfile.TemporaryDirectory() as directory:
        place, workers = Path(directory), chosen.workers
        one = workers == 1
        found = in_turn(left, place, end) if one else by_workers(left, place, end, workers)
        for pair, (value, seconds, error) in found:
            if value is None:
                broken[pair] = "broken"
                print(f"pairs: {pair}: {error}", file=sys.stderr, flush=True)
                continue
            print(f"{pair}: {value:.3g} in {seconds} s", flush=True)
            kept[keys[pair]] = {"score": value, "seconds": seconds}
            record.write(chosen.keep, kept)
    scores = {pair: f"{kept[key]['score']:.3g}" for pair, key in keys.items() if key in kept}
    print(lines := table(scores | broken))
    if broken:
        raise SystemExit(f"pairs: {len(broken)} of {len(pairs)} pairs are broken")
    if chosen.write:
        made = f"{len(scores)} of {len(pairs)} pairs, of commit `{commit}`:\n\n{lines}"
        record.replace(PAGE, "pairs", made)


if __name__ == "__main__":
    main()
