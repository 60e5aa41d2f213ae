"""`rnnlab-export`: a trained model in formats of others."""

from rnnlab.cli.exits import command
from rnnlab.errors import ConfigError
from rnnlab.process.output import note, say

_USAGE = """
rnnlab-export: write a trained model in a format that others read, with a model card.

usage: rnnlab-export run=DIR to=safetensors|onnx output=DIR [checkpoint=best]

  run=DIR            the directory that training printed last
  to=FORMAT          safetensors: the weights, which rnnlab.exports.weights.load puts into the model
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
    from rnnlab.commands.export import FIELDS, export

    own, settings = parse_arguments(_USAGE, {"run": str, **FIELDS})
    if "to" not in own:
        raise ConfigError("to=FORMAT is missing: safetensors or onnx")
    if "output" not in own:
        raise ConfigError("output=DIR is missing: a new directory for the model")
    if settings := [word for word in settings if not word.startswith("packages=")]:
        raise ConfigError(f"{settings[0]} can't be given: a model is exported as it was trained")
    say(export(own.pop("run"), show=note, **own))
