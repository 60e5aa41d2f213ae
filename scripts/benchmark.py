"""Speed, as ratios measured side by side on one thread: `python scripts/benchmark.py [PART ...]`.

Parts: cells, horizon, trainer, groups, generate, data, watch, startup; all of these when none is
named. The things compared take turns, for machines are shared and noisy: a row is the least
processor time of all rounds, or the median of a clock. And sweep, which takes half an hour: whole
commands, once each, on one thread and two workers; `--threads 2` adds a row on two threads,
`--jobs TEXT` takes some rows alone. And gpu, for minutes on one. JAX is compared where it is
installed.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch

import torch

from plain_models import jax_update, torch_update
from rnnlab.analysis.diagnostics import diagnose
from rnnlab.cells import unroll_within
from rnnlab.config.build import build
from rnnlab.config.compose import compose
from rnnlab.ensemble.ensemble import Ensemble
from rnnlab.ensemble.feed import Fed
from rnnlab.experiment.experiment import Experiment
from rnnlab.inference.generate import Sampler, beam_search, free_answers
from rnnlab.models.kernel_loss import has_kernel_loss, kernel_loss
from rnnlab.runs.tensorboard import Events
from rnnlab.spec import Batch, Tokens, map_batch
from rnnlab.training.callbacks import Watch
from rnnlab.training.callbacks.watch import default_period
from rnnlab.training.module import SequenceModule
from rnnlab.training.optimizers import take_fused_steps
from rnnlab.training.prepare import prepare, without_compiler
from rnnlab.training.train import train

ROUNDS = 5
PAIRS = {
    "elman 32, copy": ["model=elman", "task=copy", "model.cell.hidden_size=32", "task.delay=5"],
    "lstm 128, copy": ["model=lstm", "task=copy"],
    "gru 128, adding": ["model=gru", "task=addition_marked"],
    "seq2seq dot, translation": ["model=seq2seq", "task=translation", "model.attention=dot"],
    "lstm 2x128, next_char": ["model=lstm", "task=next_char", "model.num_layers=2"],
}
CELLS = {  # and torch's module
    "elman": torch.nn.RNN,
    "gru": torch.nn.GRU,
    "lstm": torch.nn.LSTM,
    "jordan": None,
    "ar_ffn": None,
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
GROUPS = {
    "elman 8, addition_binary": ["model=elman", "model.cell.hidden_size=8", "task=addition_binary"],
    **{
        f"{model} {size}, copy": [f"model={model}", f"model.cell.hidden_size={size}", "task=copy"]
        for model, size in (
            *(("elman", 32), ("elman", 128), ("gru", 8), ("gru", 32), ("gru", 128)),
            *(("lstm", 16), ("lstm", 32), ("lstm", 128), ("jordan", 32), ("ar_ffn", 32)),
        )
    },
}
_SHORT_COPY = ["task=copy", "data.batch_size=64", "task.length=10", "task.delay=20"]  # 40 steps
LAUNCHERS = {
    "basic": ["hydra/launcher=basic"],
    "joblib x2": ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
    "vectorized": ["hydra/launcher=vectorized"],
}
SIZES = [(32, 40, 16, 32), (64, 100, 64, 128), (64, 100, 128, 256), (32, 200, 64, 512)]
COPIES = {  # the copy task of each of these sizes
    (batch_size, length, symbols, hidden_size): [
        *("task=copy", f"task.num_symbols={symbols - 2}", "model.embedding_size=null"),
        *(f"task.length={length // 4}", f"task.delay={length // 2}"),
        *(f"data.batch_size={batch_size}", f"model.cell.hidden_size={hidden_size}"),
    ]
    for batch_size, length, symbols, hidden_size in SIZES
}


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


def cheapest(rounds: int, *works: Callable[[], None]) -> list[float]:
    """Milliseconds of the processor for each piece of work, taking turns: the least of all rounds.

    Others on the machine add to a clock's time much more than to the processor's.
    """
    least = [float("inf")] * len(works)
    for _ in range(rounds + 1):  # the first is a warm-up
        for n, work in enumerate(works):
            began = time.process_time()
            work()
            least[n] = min(least[n], (time.process_time() - began) * 1e3)
    return least


def cells() -> None:
    print("\ncells: forward and backward, ms; ratios are torch's own module against ours\n")
    heads = ("cell", "B", "T", "I", "H", "loop", "ours", "torch", "ratio", "2 threads")
    print(f"{heads[0]:8}" + "".join(f"{head:>6}" for head in heads[1:5]), end="")
    print("".join(f"{head:>10}" for head in heads[5:]))
    for name, own in CELLS.items():
        for batch_size, length, input_size, hidden_size in SIZES:
            cfg = compose([f"model={name}", f"model.cell.hidden_size={hidden_size}"])
            output = (Tokens(input_size),) if name == "jordan" else ()
            cell = build("model.cell", cfg.model.cell, input_size, *output)
            inputs = torch.randn(batch_size, length, input_size)
            state = cell.initial_state(batch_size)

            def run(fast: bool = True, cell=cell, inputs=inputs, state=state) -> None:
                cell.fast = fast
                cell.unroll(inputs, state)[0].sum().backward()

            module = own and own(input_size, hidden_size, batch_first=True)

            def theirs(inputs=inputs, module=module) -> None:
                module(inputs)[0].sum().backward()

            rounds = 20 if hidden_size < 100 else 5
            works = [lambda run=run: run(False), run, *([theirs] if own else [])]
            loop, ours, *torchs = cheapest(rounds, *works)
            (one,) = medians(rounds, run)
            torch.set_num_threads(2)
            (two,) = medians(rounds, run)
            torch.set_num_threads(1)
            them = "".join(f"{ms:10.2f}{ms / ours:10.2f}" for ms in torchs) or f"{'-':>10}{'-':>10}"
            print(f"{name:8}{batch_size:6}{length:6}{input_size:6}{hidden_size:6}", end="")
            print(f"{loop:10.2f}{ours:10.2f}{them}{one / two:10.2f}", flush=True)


def horizon() -> None:
    print("\nhorizon: forward and backward of LSTM 64 over 100 steps, 64 sequences, ms\n")
    cell = build("model.cell", compose(["model=lstm", "model.cell.hidden_size=64"]).model.cell, 16)
    inputs, state = torch.randn(64, 100, 16), cell.initial_state(64)
    works = {
        k: lambda k=k: unroll_within(cell, inputs, state, k)[0].sum().backward()
        for k in (None, 1, 5, 20)
    }
    taken = cheapest(10, *works.values())
    for k, ms in zip(works, taken, strict=True):
        print(f"{'all steps' if k is None else k:>10}{ms:10.2f}{ms / taken[0]:8.2f}")


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


def trainer_steps(
    words: list[str],
    count: int,
    directory: str,
    clock: Callable[[], float] = time.process_time,
    block: int = 20,
) -> float:
    """Milliseconds of the processor for an update through the Trainer, with callbacks and loggers.

    The least mean of some updates in a row; 20 lie between two rows of training scalars.
    """
    stamps: list[float] = []
    end = SequenceModule.on_train_batch_end

    def stamp(module: SequenceModule, *parts: Any) -> None:
        end(module, *parts)
        stamps.append(clock())

    steps = [f"trainer.max_steps={count}", f"trainer.val_every={count}", f"output_dir={directory}"]
    with patch.object(SequenceModule, "on_train_batch_end", stamp):
        train(compose([*words, *steps, "data.val_size=2", "data.test_size=2"]))
    return min(b - a for a, b in zip(stamps, stamps[block:], strict=False)) / block * 1e3


def trainer() -> None:
    print("\ntrainer: ms an update of one net, against plain PyTorch and a jitted scan of JAX\n")
    heads = ("B", "T", "I", "H", "trainer", "torch", "JAX", "torch/", "JAX/")
    print(f"{'cell':8}" + "".join(f"{head:>9}" for head in heads))
    for (batch_size, length, symbols, hidden_size), words in COPIES.items():
        for name in CELLS:
            cfg = compose([f"model={name}", *words])
            experiment = Experiment.assemble(cfg)
            batch = experiment.data.train(0)
            shape = (*batch.input.shape, experiment.task.spec.input.size, hidden_size)
            assert shape == (batch_size, length, symbols, hidden_size)
            plain = torch_update(name, symbols, hidden_size)
            scan = jax_update(name, symbols, hidden_size)
            works = [partial(work, batch) for work in (plain, scan) if work is not None]
            others = cheapest(200 if hidden_size < 100 else 5, *works)
            with tempfile.TemporaryDirectory() as directory:
                count = 1000 if hidden_size < 100 else 40
                ours = trainer_steps([f"model={name}", *words], count, directory)
            row = "".join(f"{n:9}" for n in shape)
            jax = "".join(f"{ms:9.2f}" for ms in others[1:]) or f"{'-':>9}"
            ratios = "".join(f"{ms / ours:9.2f}" for ms in others)
            print(f"{name:8}{row}{ours:9.2f}{others[0]:9.2f}{jax}{ratios}", flush=True)

    print("\nand against a plain loop over our own model, with the same kernels\n")
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


def groups() -> None:
    print("\ngroups: ms an update of 64 members, and of 64 runs alone without the Trainer\n")
    print(f"{'jobs':28}{'group':>9}{'alone':>9}{'ratio':>8}{'2 threads':>11}")
    for name, words in GROUPS.items():
        group = stacked(words, 64)
        experiment = Experiment.assemble(compose(words))
        together, alone = cheapest(20, group.update, update_alone(experiment))
        (one,) = medians(20, group.update)
        torch.set_num_threads(2)
        (two,) = medians(20, group.update)
        torch.set_num_threads(1)
        ratio = 64 * alone / together
        print(f"{name:28}{together:9.2f}{64 * alone:9.2f}{ratio:8.2f}{one / two:11.2f}", flush=True)


def stacked(words: list[str], count: int) -> Ensemble:
    """Return a group of seeds, without run directories."""
    members, cfg = [], compose([*words, "data.val_size=2"])
    for seed in range(count):
        cfg = cfg.copy()
        cfg.seed = seed
        prepared = prepare(cfg)
        experiment = prepared.experiment
        with without_compiler():
            optimizer = prepared.make_optimizer(experiment.model.parameters())
        members.append(
            SimpleNamespace(
                experiment=experiment,
                total_steps=10**6,
                saved_step=0,
                optimizer_class=type(optimizer),
                param_group=optimizer.param_groups[0],
                make_scheduler=prepared.make_scheduler,
                resumed_from=None,
                log=lambda *_: None,
            )
        )
    return Ensemble(members)


def update_alone(experiment: Experiment, device: str = "cpu") -> Callable[[], None]:
    """Return an update of one run by its kernel and torch's optimizer."""
    model, batches = experiment.model, iter(range(10**9))
    optimizer = build("optimizer", experiment.cfg.optimizer)(model.parameters())
    take_fused_steps(optimizer)
    model.train()

    def update() -> None:
        batch = map_batch(lambda part: part.to(device), experiment.data.train(next(batches)))
        optimizer.zero_grad()
        if has_kernel_loss(model, batch):
            kernel_loss(model, batch)[0].backward()
        else:
            experiment.task.loss(model(batch)[0], batch).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return update


def gpu() -> None:
    if not torch.cuda.is_available():
        print("\ngpu: there is none here")
        return
    groups = list(groups_on_device())
    print(f"\ngpu: {torch.cuda.get_device_name()}, ms an update of one net\n")
    heads = ("B", "T", "I", "H", "trainer", "loop", "torch", "JAX")
    print(f"{'cell':8}" + "".join(f"{head:>9}" for head in heads))
    shape = SIZES[1]
    words = [*COPIES[shape], "trainer=gpu"]
    for name in CELLS:
        own = [f"model={name}", *words]
        with tempfile.TemporaryDirectory() as directory:
            ours = trainer_steps(own, 400, directory, time.perf_counter, 100)
        experiment = Experiment.assemble(compose(own))
        batch = experiment.data.train(0)
        experiment.model.to("cuda")
        works = [
            update_alone(experiment, "cuda"),
            partial(torch_update(name, shape[2], shape[3], "cuda"), batch),
        ]
        scan = jax_update(name, shape[2], shape[3])
        works += [] if scan is None else [partial(scan, batch)]
        row = "".join(f"{n:9}" for n in shape) + f"{ours:9.2f}"
        print(f"{name:8}{row}" + "".join(f"{on_device(work):9.2f}" for work in works), flush=True)

    print(
        "\ngpu: ms an update of N nets, 64 sequences of 40 steps; computed from one batch alone\n"
    )
    print(f"{'jobs':16}{'N':>6}{'group':>9}{'computed':>9}{'JAX':>9}{'ratio':>9}")
    for group in groups:
        scan = jax_update(group.model, group.inputs, group.size, group.members)
        other = on_device(partial(scan, group.batch), scan.wait) if scan else float("nan")
        row = f"{group.model + ' ' + str(group.size):16}{group.members:6}"
        numbers = (group.whole, group.computed, other, other / group.computed)
        print(row + "".join(f"{number:9.2f}" for number in numbers), flush=True)


class GroupOnDevice(NamedTuple):
    """A group on a GPU.

    Attributes:
        model: its name.
        size: hidden units.
        inputs: I.
        members: N.
        batch: of all members, on the CPU.
        whole: milliseconds of an update.
        computed: the same from one batch.
    """

    model: str
    size: int
    inputs: int
    members: int
    batch: Batch
    whole: float
    computed: float


def groups_on_device() -> Iterator[GroupOnDevice]:
    """Measure ours, whose workers must be forked before JAX begins its threads."""
    for model, size in (("elman", 32), ("elman", 128), ("gru", 32), ("lstm", 32), ("jordan", 32)):
        for count in (64, 1024):
            words = [f"model={model}", f"model.cell.hidden_size={size}", *_SHORT_COPY]
            group = stacked([*words, "trainer=gpu"], count)
            whole = on_device(group.update)
            fed = group._feed(group.step)
            with patch.object(group, "_feed", _OneBatch(fed)):
                computed = on_device(group.update)
            batch = map_batch(lambda part: part.cpu(), fed[0].part.batch)
            inputs = group.task.spec.input.size
            yield GroupOnDevice(model, size, inputs, count, batch, whole, computed)


class _OneBatch:
    """The same batch at every update."""

    def __init__(self, fed: list[Fed]) -> None:
        self.fed = fed
        self.shared = False

    def __call__(self, step: int) -> list[Fed]:  # noqa: ARG002
        return self.fed


def on_device(work: Callable[[], None], wait: Callable[[], Any] = lambda: None) -> float:
    """Milliseconds of work on a GPU that is not waited for between the calls."""

    def finish() -> None:
        wait()
        torch.cuda.synchronize()

    for _ in range(5):
        work()
    finish()
    began = time.perf_counter()
    count = 0
    while time.perf_counter() - began < 1.0 or count < 10:
        for _ in range(10):
            work()
        finish()
        count += 10
    return (time.perf_counter() - began) / count * 1e3


def generate() -> None:
    print("\ngenerate: thousand characters a second of two layers of 128, 80 symbols\n")
    print(f"{'cell':8}{'streams':>9}{'greedy':>9}{'0.7':>9}{'beam 5':>9}")
    for name in ("elman", "gru", "lstm"):
        words = [f"model={name}", "task=next_char", "model.num_layers=2"]
        experiment = Experiment.assemble(compose(words))
        model = experiment.model.eval()
        for rows in (1, 32):
            ids = torch.zeros(rows, 500, dtype=torch.int64)
            batch = Batch(input=ids, target=ids, mask=torch.ones_like(ids, dtype=torch.bool))
            warm = Sampler(0.7, None, None, torch.Generator().manual_seed(0))
            with torch.no_grad():
                taken = cheapest(
                    5,
                    partial(free_answers, model, batch),
                    partial(free_answers, model, batch, warm),
                    partial(beam_search, model, batch, 5, None),
                )
            speeds = "".join(f"{rows * 500 / ms:9.0f}" for ms in taken)
            print(f"{name:8}{rows:9}{speeds}", flush=True)


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
        experiment = Experiment.assemble(cfg := compose(words))
        with tempfile.TemporaryDirectory() as directory:
            update = trainer_steps(words, 100, directory)
        line = f"{name:28}{update:11.2f}"
        for full in (False, True):
            look, picture = look_and_draw(experiment, full)
            pictures = 2000 / cfg.trainer.val_every if full else 3  # light: ever more seldom
            spent = 2000 / default_period(2000) * look + pictures * picture
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
        return cheapest(
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


PARTS = {
    "cells": cells,
    "horizon": horizon,
    "trainer": trainer,
    "groups": groups,
    "generate": generate,
    "data": data,
    "watch": watch,
    "startup": startup,
}


def main() -> None:
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(prog="benchmark", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help="what to measure")
    parser.add_argument("--threads", type=int, default=1, help="a row more of sweep, with so many")
    parser.add_argument("--jobs", default="", help="part of the name of the sweep's rows")
    wanted = parser.parse_args()
    known = PARTS | {"gpu": gpu, "sweep": partial(sweep, wanted.threads, wanted.jobs)}
    for part in wanted.parts:
        if part not in known:
            parser.error(f"{part!r} is no part: it takes {', '.join(known)}")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} thread, {ROUNDS} rounds")
    for name in wanted.parts or PARTS:
        known[name]()


if __name__ == "__main__":
    main()
