"""A run as HTML, for notebooks: what was trained, its scores, its learning curve."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from rnnlab.errors import ConfigError
from rnnlab.plots.files import can_draw, encode
from rnnlab.runs.figures import image
from rnnlab.runs.learning_curve import draw
from rnnlab.runs.scores import score_rows
from rnnlab.spelling import printable

if TYPE_CHECKING:
    from rnnlab.runs.run import Run


def run_html(run: "Run") -> str:
    """Format a run; what a run that has not ended, or is damaged, lacks is said in its place."""
    parts = [f"<p><b>{text(_title(run))}</b><br><code>{text(run.path)}</code></p>"]
    try:
        results = run.results
        columns = {split: results[split] for split in ("train", "val", "test", "floor")}
        parts.append(table(score_rows(columns)))
        if can_draw():
            parts.append(image(encode(draw(run), dpi=50)))
    except ConfigError as error:
        parts.append(f"<p>{text(error)}</p>")
    return "\n".join(parts)


def _title(run: "Run") -> str:
    try:
        choices = run.config.choices
        title = f"{choices.model} on {choices.task}, {run.status}"
        if run.file("results.json").exists():
            results = run.results
            title += f", {results['parameters']:,} parameters, {results['steps']} updates"
    except ConfigError:
        return "a damaged run"
    return title


def table(rows: Sequence[Sequence[object]]) -> str:
    """Format rows, the heading first, as an HTML table; all cells are escaped."""
    heading, *others = [[text(cell) for cell in row] for row in rows]
    lines = [f"<tr>{''.join(f'<th>{cell}</th>' for cell in heading)}</tr>"]
    lines += [f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in others]
    return "<table>\n" + "\n".join(lines) + "\n</table>"


def text(value: object) -> str:
    """Return a value as text of HTML, escaped."""
    return escape(printable(str(value), lines=True))
