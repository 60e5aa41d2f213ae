"""`rnnlab-export`: a trained model in formats of others."""

from pathlib import Path
from typing import Any, Literal

from rnnlab.cli.exits import command
from rnnlab.errors import ConfigError
from rnnlab.process.output import note, say

_USAGE = """
rnnlab-export: write a trained model in a format that others read, with a model card.

usage: rnnlab-export run=DIR to=safetensors|onnx output=DIR [checkpoint=best]

  run=DIR            the directory that training printed last
  to=FORMAT          safetensors: the weights, which rnnlab.export.weights.load puts into the model
                     onnx: graphs whose batch and length are free, compared with the model by
                     onnxruntime: of a stream model model.onnx (whole sequences), begin.onnx (the
                     first state) and step.onnx (one step); of an encoder-decoder encoder.onnx and
                     step.onnx
  output=DIR         a new directory for the model, config.yaml, the symbols and README.md, the card
  checkpoint=best    best | last

Examples
  rnnlab-export run=DIR to=safetensors output=writer
  rnnlab-export run=DIR to=onnx output=writer_onnx

Both need packages: pip install 'rnnlab[export]'. ONNX takes some ten seconds.
"""


def main() -> None:
    """Export the model, and print where it is."""
    command("rnnlab-export", _main)


def _main() -> None:
    from rnnlab.cli.arguments import parse_arguments

    fields: dict[str, Any] = {
        "run": str,
        "to": Literal["safetensors", "onnx"] | None,
        "output": str | None,
        "checkpoint": Literal["best", "last"],
    }
    defaults = {"to": None, "output": None, "checkpoint": "best"}
    own, overrides = parse_arguments(_USAGE, fields, defaults)
    if own["to"] is None:
        raise ConfigError("to=FORMAT is missing: safetensors or onnx")
    if own["output"] is None:
        raise ConfigError("output=DIR is missing: a new directory for the model")
    if settings := [word for word in overrides if not word.startswith("packages=")]:
        raise ConfigError(f"{settings[0]} can't be given: a model is exported as it was trained")

    from rnnlab.runs.run import Run

    run = Run.load(own["run"])

    from rnnlab.export.write import check_new, export
    from rnnlab.process.arithmetic import arithmetic

    output = Path(own["output"]).expanduser()
    check_new(output)
    if own["to"] == "onnx":
        note("exporting, and comparing with the model")
    with arithmetic(run.config):
        graphs = export(run, own["to"], output, own["checkpoint"])
    for graph in graphs:
        say(f"{graph.name:14} {graph.meaning}; within {graph.difference:.1g} of the model")
    say(output)
