"""A trained model in formats of others, with a model card."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rnnlab.commands.arguments import new_path
from rnnlab.commands.train import open_run
from rnnlab.config.build import check_values
from rnnlab.process.untouched import process_untouched
from rnnlab.runs.html import text
from rnnlab.runs.run import Run

if TYPE_CHECKING:
    from rnnlab.exports.to_onnx import Graph

Format = Literal["safetensors", "onnx"]
FIELDS: Mapping[str, Any] = {
    "to": Format,
    "output": str,
    "checkpoint": Literal["best", "last"],
}
"""Keys of the command with their annotations."""


@dataclass(frozen=True)
class Exported:
    """A trained model that was exported.

    Attributes:
        path: its directory, with the model, `config.yaml`, the symbols and `README.md`, the card.
        graphs: of ONNX: name, inputs, outputs, meaning, and difference from the model of each file.
    """

    path: Path
    graphs: "Sequence[Graph]"

    def __str__(self) -> str:
        lines = [
            f"{graph.name:14} {graph.meaning}; within {graph.difference:.1g} of the model"
            for graph in self.graphs
        ]
        return "\n".join([*lines, str(self.path)])

    def _repr_html_(self) -> str:
        return f"<pre>{text(self)}</pre>"


@process_untouched()
def export(
    run: Run | str | Path,
    to: Format,
    output: str | Path,
    *,
    checkpoint: Literal["best", "last"] = "best",
    show: Callable[[object], object] | None = None,
) -> Exported:
    """Write a trained model in a format that others read, as `rnnlab-export` does.

    Args:
        run: the run, or its directory.
        to: `safetensors`, which `rnnlab.exports.weights.load` puts into the model again, or `onnx`,
            graphs whose batch and length are free, compared with the model by onnxruntime.
        output: a new directory.
        checkpoint: `best` or `last`.
        show: called with a line before what takes long, such as `print`.

    Returns:
        The directory, and what its graphs do.

    Raises:
        ConfigError: an argument is wrong, a package is missing, or the model can't be exported;
            nothing was written.

    Example:
        >>> rnnlab.export(run, "onnx", "writer_onnx").graphs
    """
    check_values({"to": to, "output": str(output), "checkpoint": checkpoint}, FIELDS)
    run = open_run(run)
    path = new_path(output, "output", "directory")

    from rnnlab.exports.write import check_packages, write
    from rnnlab.process.arithmetic import arithmetic

    check_packages(to)
    if to == "onnx" and show is not None:
        show("exporting, and comparing with the model")
    with arithmetic(run.config):
        return Exported(path, write(run, to, path, checkpoint))
