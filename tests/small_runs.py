"""Settings of runs so small that a test can make one in a fifth of a second."""

from pathlib import Path

from rnnlab.config.compose import compose
from rnnlab.experiment.experiment import Experiment

TEXT = "".join(f"line {n} of {n * n}: the dog sleeps on.\n" for n in range(60))

SMALL = [
    "trainer.max_steps=4",
    "trainer.val_every=2",
    "trainer.log_every=1",
    "data.batch_size=4",
    "data.eval_batch_size=4",
    "data.val_size=6",
    "data.test_size=6",
]
FILES = {"val_path": None, "test_path": None, "encoding": None, "min_count": None}
"""Settings of a task that reads one file, as it is."""

COPY = ["task=copy", "task.length=3", "task.delay=1", *SMALL]
ELMAN = ["model=elman", "model.cell.hidden_size=8"]


def tiny(out: Path, *more: str) -> list[str]:
    """The words of a small Elman network on a small copy task, that writes to `out`."""
    return [*ELMAN, *COPY, f"output_dir={out}", *more]


def tiny_text(out: Path, *more: str) -> list[str]:
    """The words of a small Elman network that reads a text, written to `out` too."""
    out.mkdir(exist_ok=True)
    (out / "text.txt").write_text(TEXT, encoding="utf-8")
    path = f"task.path={out / 'text.txt'}"
    return [*ELMAN, "task=next_char", path, "task.length=5", *SMALL, f"output_dir={out}", *more]


def assemble(words: list[str]) -> Experiment:
    """Build what the words describe."""
    return Experiment.assemble(compose(words))
