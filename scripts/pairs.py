"""Every model on every task by the same small budget: `python scripts/pairs.py [--write]`.

For each pair runs the three commands that a person would: train, evaluate, sample. Prints the test
scores, and with `--write` puts the table into docs/pairs.md. Of code that is committed, scores are
kept in outputs/pairs.json, so that the same command goes on where it was. It says what a first
minute gives, not what a pair can learn: for that see `scripts/learn.py`.
"""

import json
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from io import StringIO
from pathlib import Path
from unittest.mock import patch

from learn import commit_of_this
from rnnlab.config.compose import compose
from rnnlab.experiment import Experiment
from rnnlab.files.atomic import write_atomically
from rnnlab.runs.run import Run

ROOT = Path(__file__).resolve().parents[1]
PAGE, KEPT = ROOT / "docs/pairs.md", ROOT / "outputs/pairs.json"
BEGIN, END = "<!-- pairs: made by scripts/pairs.py -->\n", "<!-- end of pairs -->"
MODELS = (
    *("ar", "ar_ffn", "jordan", "elman", "ctrnn", "mrnn", "gru", "lstm", "min_gru"),
    *("stack_rnn", "ntm", "transformer", "seq2seq", "transformer_seq2seq"),
)
BUDGET = [
    "trainer.max_steps=300",
    "trainer.val_every=150",
    "data.val_size=128",
    "data.test_size=256",
]
TAPS = 16
TASKS = {  # settings, metric, what it is
    "next_char": (["task.length=50"], "loss", "nats per character ↓"),
    "next_word": (["task.min_count=50"], "perplexity", "perplexity per word ↓"),
    "next_pixel": ([], "bits_per_pixel", "bits per pixel, of encoder-decoders in lower halves ↓"),
    "series": (["task.cue_steps=16"], "nrmse", "NRMSE one step ahead, Mackey-Glass ↓"),
    "oscillation": ([], "free_distance", "distance from the figure eight ↓"),
    "oscillation_clamped": ([], "free_distance", "the same, without input ↓"),
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


def words(model: str, task: str) -> list[str]:
    """Give the settings of a pair."""
    chosen = [f"model={model}", f"task={task}", *TASKS[task][0], *BUDGET]
    if model.startswith("ar"):
        longest = Experiment.assemble(compose(chosen)).task.longest()
        chosen.append(f"model.cell.taps={min(TAPS, longest or TAPS)}")
    return chosen


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


def main() -> None:
    """Run all pairs, task by task."""
    commit, writes = commit_of_this(), "--write" in sys.argv
    if writes and commit is None:
        raise SystemExit(f"pairs: --write needs src, configs and scripts as committed in {ROOT}")
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if commit and KEPT.exists() else {}
    KEPT.parent.mkdir(exist_ok=True)
    broken = 0
    lines = [
        "| task | score | " + " | ".join(name.replace("_", "<br>") for name in MODELS) + " |",
        "|---|---|" + "---|" * len(MODELS),
    ]
    print("\n".join(lines), flush=True)
    for task, (_, _, meaning) in TASKS.items():
        cells = []
        for model in MODELS:
            chosen = words(model, task)
            key = " ".join([str(commit), *chosen])
            try:
                with tempfile.TemporaryDirectory() as directory:
                    if key not in kept:
                        kept[key] = score(task, chosen, directory)
                cells.append(f"{kept[key]:.3g}")
            except Exception as error:  # of any kind: the other pairs go on
                print(f"pairs: {' '.join(chosen)}: {error!r}", file=sys.stderr, flush=True)
                cells.append("broken")
                broken += 1
            if commit:
                write_atomically(KEPT, json.dumps(kept, indent=1).encode())
        lines.append(f"| {task} | {meaning} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    if broken:
        raise SystemExit(f"pairs: {broken} of {len(TASKS) * len(MODELS)} pairs are broken")
    if writes:
        before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
        table = "\n".join(lines)
        PAGE.write_text(f"{before}{BEGIN}{table}\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
