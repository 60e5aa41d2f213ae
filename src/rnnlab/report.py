"""What a run ends by saying."""

from collections.abc import Mapping

from rnnlab.run import Run


def report(run: Run) -> str:
    """Lay out final numbers beside their floors, a sample, and the commands to go on with."""
    results = run.results
    table = score_lines({split: results[split] for split in ("train", "val", "test", "floor")})
    samples = (run.path / "samples.md").read_text(encoding="utf-8").strip()
    return "\n".join(
        [
            "",
            f"{results['model']} on {results['task']}: {results['parameters']:,} parameters, "
            f"{results['steps']} updates in {results['seconds']:.0f} s, "
            f"best at update {results['best_step']}",
            "",
            *table,
            "",
            samples,
            "",
            f"sample more      rnnlab-sample run={run.path}",
            f"open TensorBoard tensorboard --logdir {run.config.output_dir}",
            "",
        ]
    )


def score_lines(columns: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Lay out metrics as rows, with a column for each of several mappings; floors may be fewer."""
    scored = [name for column, values in columns.items() if column != "floor" for name in values]
    names = [name for name in dict.fromkeys(scored) if not name.startswith(("grad_", "learning_"))]
    width = max(len(name) for name in names)
    lines = [f"{'':{width}}  " + "  ".join(f"{column:>9}" for column in columns)]
    for name in names:
        # A free-running metric has the floor of the plain one.
        plain = name.removeprefix("free_")
        cells = [
            _number(values.get(plain if column == "floor" else name))
            for column, values in columns.items()
        ]
        lines.append(f"{name:{width}}  " + "  ".join(f"{cell:>9}" for cell in cells))
    return lines


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
