"""Every model on every task by the same small budget: `python scripts/pairs.py [--write]`.

For each pair runs the three commands that a person would: train, evaluate, sample. Prints the test
score of each, and with `--write` puts the table into the README. It says what a first minute gives,
not what a pair can learn: for that see `scripts/learn.py`.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from rnnlab.runs.run import Run

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
BEGIN, END = "<!-- pairs: made by scripts/pairs.py -->\n", "<!-- end of pairs -->"
MODELS = ("ar", "ar_ffn", "jordan", "elman", "gru", "lstm", "seq2seq")
BUDGET = [
    "trainer.max_steps=300",
    "trainer.val_every=150",
    "data.val_size=128",
    "data.test_size=256",
]
TASKS = {  # settings, metric, what it is
    "next_char": (["task.length=50"], "loss", "nats per character"),
    "next_word": (["task.min_count=50"], "perplexity", "perplexity per word"),
    "addition": ([], "free_accuracy", "digits right"),
    "oscillation": ([], "free_distance", "distance from the figure eight"),
    "copy": (["task.delay=5"], "free_accuracy", "symbols right"),
    "parity": ([], "accuracy", "parity right"),
    "scan": ([], "free_accuracy", "actions right"),
    "translation": (["task.max_clauses=1"], "free_accuracy", "words right"),
    "digits": ([], "accuracy", "digits right, row by row"),
    "next_pixel": ([], "bits_per_pixel", "bits per pixel, of seq2seq in lower halves"),
    "caption": ([], "free_accuracy", "words of captions right"),
    "speech": ([], "free_character_error", "characters wrong"),
    "speech_ctc": ([], "character_error", "characters wrong, answered in step"),
    "labels": ([], "accuracy", "languages right"),
    "phonemes": (["task.common=1250"], "free_phoneme_error", "phonemes wrong"),
    "phonemes_aligned": (["task.common=1250"], "phoneme_error", "phonemes wrong, letter by letter"),
    "motions": ([], "accuracy", "activities right"),
    "speakers": ([], "accuracy", "speakers right"),
    "gestures": ([], "accuracy", "gestures right"),
    "series": (["task.cue_steps=16"], "nrmse", "NRMSE one step ahead, Mackey-Glass"),
}


def words(model: str, task: str) -> list[str]:
    """Give the settings of a pair."""
    chosen = [f"model={model}", f"task={task}", *TASKS[task][0], *BUDGET]
    if model.startswith("ar"):
        chosen.append(f"model.cell.taps={9 if task == 'addition' else 16}")  # or all it can see
    return chosen


def command(name: str, *arguments: str) -> str:
    """Run one of our commands, and give what it printed."""
    script = [sys.executable, str(ROOT / "scripts" / f"{name}.py")]
    done = subprocess.run([*script, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"pairs: {name} {' '.join(arguments)} ended with {done.stderr}")
    return done.stdout


def score(model: str, task: str, directory: str) -> float:
    """Train, evaluate and sample from the command line; gives the test score."""
    printed = command("train", *words(model, task), f"output_dir={directory}")
    run = Run.load(printed.splitlines()[-1])
    command("evaluate", f"run={run.path}", "data.test_size=64")
    if not command("sample", f"run={run.path}").strip():
        raise SystemExit(f"pairs: nothing was sampled from {model} on {task}")
    metric = TASKS[task][1]
    test = run.results["test"]  # a model that reads no answers has the plain metric alone
    return float(test[metric] if metric in test else test[metric.removeprefix("free_")])


def main() -> None:
    """Run all pairs, task by task."""
    lines = [
        "| task | score | " + " | ".join(MODELS) + " |",
        "|---|---|" + "---|" * len(MODELS),
    ]
    print("\n".join(lines), flush=True)
    with tempfile.TemporaryDirectory() as directory:
        for task, (_, _, meaning) in TASKS.items():
            scores = [score(model, task, directory) for model in MODELS]
            cells = " | ".join(f"{value:.3g}" for value in scores)
            lines.append(f"| {task} | {meaning} | {cells} |")
            print(lines[-1], flush=True)
    if "--write" in sys.argv:
        before, rest = README.read_text(encoding="utf-8").split(BEGIN)
        table = "\n".join(lines)
        README.write_text(f"{before}{BEGIN}{table}\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
