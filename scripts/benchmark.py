"""Speed, as ratios measured side by side on one thread: `python scripts/benchmark.py [PART ...]`.

Parts: cells, trainer, data, watch, startup; all of these when none is named. Every row is a median
over rounds in which the things compared take turns, for machines are shared and noisy. And sweep,
which takes half an hour: whole commands, once each, on one thread and two workers; `--threads 2`
adds a row on two threads, `--jobs TEXT` takes some rows alone.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rnnlab.analysis.diagnostics import diagnose
from rnnlab.config.build import build
from rnnlab.config.compose import compose
from rnnlab.experiment.experiment import Experiment
from rnnlab.runs.tensorboard import Events
from rnnlab.spec import map_batch
from rnnlab.training.callbacks import Watch
from rnnlab.training.train import train

ROUNDS = 5
PAIRS = {
    "elman 32, copy": ["model=elman", "task=copy", "model.cell.hidden_size=32", "task.delay=5"],
    "lstm 128, copy": ["model=lstm", "task=copy"],
    "gru 128, adding": ["model=gru", "task=addition_marked"],
    "seq2seq dot, translation": ["model=seq2seq", "task=translation", "model.attention=dot"],
    "lstm 2x128, next_char": ["model=lstm", "task=next_char", "model.num_layers=2"],
}
CELLS = {
    "elman": ("rnnlab.cells.Elman", torch.nn.RNN),
    "gru": ("rnnlab.cells.GRU", torch.nn.GRU),
    "lstm": ("rnnlab.cells.LSTM", torch.nn.LSTM),
}
SWEEPS = {  # of 64 seeds
    "elman 32, copy": [
        *("model=elman", "model.cell.hidden_size=32", "task=copy"),
        "trainer.max_steps=1000",
    ],
    "elman 8, addition_binary": [
        *("model=elman", "model.cell.hidden_size=8", "task=addition_binary"),
        "trainer.max_steps=2000",  # as many as are the default
    ],
    "jordan 32, copy": ["model=jordan", "model.cell.hidden_size=32", "task=copy"],
    "ar_ffn 32, copy": ["model=ar_ffn", "model.cell.hidden_size=32", "task=copy"],
    "gru 8, copy": ["model=gru", "model.cell.hidden_size=8", "task=copy"],
    "lstm 16, copy": ["model=lstm", "model.cell.hidden_size=16", "task=copy"],
    "elman 32, copy, batch 16": [
        *("model=elman", "model.cell.hidden_size=32", "task=copy"),
        "data.batch_size=16",
    ],
    "elman 8, binary, batch 16": [
        *("model=elman", "model.cell.hidden_size=8", "task=addition_binary"),
        *("data.batch_size=16", "trainer.max_steps=1000"),
    ],
}
LAUNCHERS = {
    "basic": ["hydra/launcher=basic"],
    "joblib x2": ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
    "vectorized": ["hydra/launcher=vectorized"],
}
SIZES = [(32, 40, 16, 32), (64, 40, 64, 128), (64, 100, 128, 128), (32, 100, 256, 256)]


def medians(rounds: int, *works: Callable[[], None]) -> list[float]:
    """Milliseconds of each piece of work, taking turns."""
    times: list[list[float]] = [[] for _ in works]
    for work in works:
        work()
    for _ in range(rounds):
        for work, taken in zip(works, times, strict=True):
            began = time.perf_counter()
            work()
            taken.append((time.perf_counter() - began) * 1e3)
    return [median(taken) for taken in times]


def cells() -> None:
    print("\ncells: forward and backward, ms; ratio is ours against torch's own module\n")
    print(
        f"{'cell':8}{'B':>5}{'T':>5}{'I':>5}{'H':>5}{'loop':>9}{'ours':>9}{'torch':>9}{'ratio':>8}"
    )
    for name, (_, own) in CELLS.items():
        for batch_size, length, input_size, hidden_size in SIZES:
            cfg = compose([f"model={name}", f"model.cell.hidden_size={hidden_size}"])
            cell = build("model.cell", cfg.model.cell, input_size)
            module = own(input_size, hidden_size, batch_first=True)
            inputs = torch.randn(batch_size, length, input_size)
            state = cell.initial_state(batch_size)

            def run(fast: bool, cell=cell, inputs=inputs, state=state) -> None:
                cell.fast = fast
                cell.unroll(inputs, state)[0].sum().backward()

            loop, ours, theirs = medians(
                ROUNDS * 2,
                lambda run=run: run(False),
                lambda run=run: run(True),
                lambda module=module, inputs=inputs: module(inputs)[0].sum().backward(),
            )
            print(
                f"{name:8}{batch_size:5}{length:5}{input_size:5}{hidden_size:5}"
                f"{loop:9.2f}{ours:9.2f}{theirs:9.2f}{ours / theirs:8.2f}"
            )


def plain_steps(experiment: Experiment, count: int) -> float:
    """Milliseconds an update of a plain PyTorch loop, and what such a loop must do."""
    model, task = experiment.model, experiment.task
    optimizer = build("optimizer", experiment.cfg.optimizer)(model.parameters())
    model.train()
    began = 0.0
    for index in range(count + 5):
        if index == 5:
            began = time.perf_counter()
        batch = experiment.data.train(index)
        optimizer.zero_grad()
        output, _ = model(batch)
        task.loss(output, batch).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return (time.perf_counter() - began) / count * 1e3


def trainer_steps(words: list[str], count: int, directory: str) -> float:
    """Milliseconds an update through the Trainer, with all our callbacks and loggers."""
    steps = [f"trainer.max_steps={count}", f"trainer.val_every={count}", f"output_dir={directory}"]
    run = train(compose([*words, *steps, "data.val_size=2", "data.test_size=2"]))
    events = EventAccumulator(str(run.path)).Reload().Scalars("time/steps_per_second")
    return 1e3 / median(event.value for event in events[1:])


def trainer() -> None:
    print("\ntrainer: ms an update, against a plain PyTorch loop over the same net and batches\n")
    print(f"{'pair':28}{'plain':>9}{'trainer':>9}{'ratio':>8}{'more':>9}")
    for name, words in PAIRS.items():
        plain, ours = [], []
        with tempfile.TemporaryDirectory() as directory:
            for _ in range(3):
                experiment = Experiment.assemble(compose(words))
                count = max(100, min(400, round(4000 / plain_steps(experiment, 10))))
                plain.append(plain_steps(experiment, count))
                ours.append(trainer_steps(words, count, directory))
        one, other = median(plain), median(ours)
        print(f"{name:28}{one:9.2f}{other:9.2f}{other / one:8.2f}{other - one:+9.2f}")


def data() -> None:
    print("\ndata: ms to make a batch, as a share of an update of a plain loop\n")
    print(f"{'pair':28}{'batch':>9}{'update':>9}{'share':>8}")
    for name, words in PAIRS.items():
        experiment = Experiment.assemble(compose(words))
        update = plain_steps(experiment, 30)
        index = iter(range(10**9))
        (batch,) = medians(50, lambda e=experiment, i=index: e.data.train(next(i)))
        print(f"{name:28}{batch:9.2f}{update:9.2f}{batch / update:8.1%}")


def watch() -> None:
    print("\nwatch: ms of a look and of its pictures, and their share of 2000 updates\n")
    heads = ("update", "look", "picture", "light", "full look", "pictures", "full")
    print(f"{'pair':28}" + "".join(f"{head:>11}" for head in heads))
    for name, words in PAIRS.items():
        experiment = Experiment.assemble(compose(words))
        cfg, update = experiment.cfg, plain_steps(experiment, 30)
        line = f"{name:28}{update:11.2f}"
        for full in (False, True):
            look, picture = look_and_draw(experiment, full)
            pictures = 2000 / cfg.trainer.val_every if full else 4  # light: ever more seldom
            spent = 2000 / cfg.watch_every * look + pictures * picture
            line += f"{look:11.2f}{picture:11.2f}{spent / (2000 * update):11.2%}"
        print(line)


def look_and_draw(experiment: Experiment, full: bool) -> list[float]:
    """Milliseconds of one look, and of drawing what eight of them saw."""
    model, task = experiment.model, experiment.task
    few = map_batch(lambda part: part[:8], experiment.data.train(0))
    seen = diagnose(model, task, few, full=full)
    watching = Watch(1, full=full)
    watching._lines = [(step, seen.decay) for step in range(8)]
    with tempfile.TemporaryDirectory() as directory:
        events = Events(Path(directory), 0)
        return medians(
            ROUNDS,
            lambda: diagnose(model, task, few, full=full),
            lambda: watching._show(events, model, seen, 1),
        )


def startup() -> None:
    print("\nstartup: seconds of a whole command, median of three\n")
    command = [sys.executable, str(Path(__file__).parent / "train.py")]
    with tempfile.TemporaryDirectory() as directory:
        rows = {
            "--help": ["--help"],
            "--cfg job": ["--cfg", "job"],
            "a mistyped key": ["task.lenght=3"],
            "smoke run": ["task=copy", "debug=smoke", f"output_dir={directory}"],
        }
        for name, words in rows.items():
            (taken,) = medians(
                3, lambda w=words: subprocess.run([*command, *w], capture_output=True)
            )
            print(f"{name:28}{taken / 1e3:9.2f}")
        print(f"{'to the first update':28}{_first_update([*command, *rows['smoke run']]):9.2f}")


def _first_update(command: list[str]) -> float:
    """Seconds from the command to the first line of progress, which the first update prints."""
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        process.stderr.readline()
        return time.perf_counter() - began


def sweep(threads: int, jobs: str) -> None:
    print("\nsweep: seconds of a whole command for 64 seeds; ratios are of basic on one thread\n")
    heads = "".join(f"{name:>12}" for name in LAUNCHERS)
    print(f"{'jobs':28}{'updates':>9}{'threads':>9}{heads}{'ratios':>14}")
    for name, words in SWEEPS.items():
        if jobs not in name:
            continue
        budget = ["trainer.max_steps=500", "data.val_size=128", "data.test_size=256"]
        updates = next(w for w in [*words, *budget] if w.startswith("trainer.max_steps"))
        one = 0.0
        for number in sorted({1, threads}):
            launchers = [*LAUNCHERS] if number == 1 else ["vectorized"]
            taken = {
                key: _seconds([*budget, *words, f"threads={number}", *LAUNCHERS[key]])
                for key in launchers
            }
            one = taken.get("basic", one)
            cells = "".join(f"{taken[k]:12.1f}" if k in taken else f"{'-':>12}" for k in LAUNCHERS)
            others = [seconds for key, seconds in taken.items() if key != "basic"]
            ratios = "".join(f"{one / seconds:7.1f}" for seconds in others)
            row = f"{name:28}{updates.partition('=')[2]:>9}{number:9}{cells}{ratios:>14}"
            print(row, flush=True)


def _seconds(words: list[str]) -> float:
    """Time a sweep."""
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, str(Path(__file__).parent / "train.py"), "-m", "seed=range(64)"]
        began = time.perf_counter()
        subprocess.run(
            [*command, *words, f"output_dir={directory}"], capture_output=True, check=True
        )
        return time.perf_counter() - began


PARTS = {"cells": cells, "trainer": trainer, "data": data, "watch": watch, "startup": startup}


def main() -> None:
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(prog="benchmark", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help="what to measure")
    parser.add_argument("--threads", type=int, default=1, help="a row more of sweep, with so many")
    parser.add_argument("--jobs", default="", help="part of the name of the sweep's rows")
    wanted = parser.parse_args()
    known = PARTS | {"sweep": partial(sweep, wanted.threads, wanted.jobs)}
    for part in wanted.parts:
        if part not in known:
            parser.error(f"{part!r} is no part: it takes {', '.join(known)}")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} thread, {ROUNDS} rounds")
    for name in wanted.parts or PARTS:
        known[name]()


if __name__ == "__main__":
    main()
