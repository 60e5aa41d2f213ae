"""Writing a trained model into a directory of its own."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from rnnlab.config.plain import to_yaml
from rnnlab.errors import ConfigError
from rnnlab.exports.card import model_card
from rnnlab.exports.to_onnx import Graph, check_onnx, to_onnx
from rnnlab.exports.weights import WEIGHTS, check_safetensors, to_safetensors
from rnnlab.runs.run import Run

Format = Literal["safetensors", "onnx"]


def write(run: Run, to: Format, output: Path, checkpoint: str = "best") -> list[Graph]:
    """Write the model of a run with its config, symbols and a model card to a new directory.

    Args:
        run: the run.
        to: the format of the model.
        output: a new directory; nothing is left of it after an error.
        checkpoint: `best` or `last`.

    Returns:
        The graphs of ONNX; none of safetensors.

    Raises:
        ConfigError: a package is missing, the directory can't be made, or the model can't be
            exported.
    """
    check_packages(to)
    experiment = run.open([], checkpoint)
    model = experiment.model
    graphs = to_onnx(model) if to == "onnx" else []
    files = {graph.name: graph.content for graph in graphs}
    if to == "safetensors":
        files[WEIGHTS] = to_safetensors(model)
    config = run.config.copy()
    config.output_dir = "outputs"  # where it was trained says nothing about the model
    text = to_yaml(config)
    files["config.yaml"] = text.encode()
    if (vocabulary := run.file("vocabulary.json")).is_file():
        files["vocabulary.json"] = vocabulary.read_bytes()
    card = model_card(run, model, checkpoint, graphs, text, output.name)
    files["README.md"] = card.encode()
    _write(output, files)
    return graphs


def check_packages(to: Format) -> None:
    """Refuse a format whose packages are missing.

    Raises:
        ConfigError: they are.
    """
    if to == "onnx":
        check_onnx()
    else:
        check_safetensors()


def _write(output: Path, files: Mapping[str, bytes]) -> None:
    part = output.with_name(f".{output.name}.{os.urandom(4).hex()}.part")
    try:
        part.mkdir()
        for name, content in files.items():
            (part / name).write_bytes(content)
        part.rename(output)
    except OSError as error:
        raise ConfigError(f"output={output} can't be written: {error.strerror}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
