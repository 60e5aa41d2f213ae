"""Weights in a safetensors file, and loading them again."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from rnnlab.errors import ConfigError
from rnnlab.files.untrusted import open_regular_file
from rnnlab.models.base import Model
from rnnlab.runs.run import Run
from rnnlab.spelling import first_line

if TYPE_CHECKING:
    from rnnlab.experiment.experiment import Experiment

WEIGHTS = "model.safetensors"
_LARGEST = 2**36  # bytes


def to_safetensors(model: Model) -> bytes:
    """Return the weights of a model as the content of a safetensors file."""
    from safetensors.torch import save

    # Clones, since tensors that share memory are refused.
    weights = {name: part.detach().clone() for name, part in model.state_dict().items()}
    return bytes(save(weights, metadata={"format": "pt"}))


def load(directory: str | Path) -> "Experiment":
    """Build task and model from an exported directory, with its weights.

    Args:
        directory: with `config.yaml`, `model.safetensors` and perhaps `vocabulary.json`.

    Raises:
        ConfigError: the package is missing, or a file is damaged, missing or doesn't fit.
    """
    check_safetensors()
    from safetensors import SafetensorError
    from safetensors.torch import load as parse

    run = Run.load(directory, key="directory")
    experiment = run.assemble([])
    path = run.file(WEIGHTS)
    try:
        with open_regular_file(path, largest=_LARGEST) as file:
            weights = parse(file.read())
        experiment.model.float().load_state_dict(weights)
    except (SafetensorError, RuntimeError) as error:
        raise ConfigError(f"{path} doesn't hold the weights: {first_line(error)}") from error
    experiment.model.eval()
    return experiment


def check_safetensors() -> None:
    """Refuse to go on without the package.

    Raises:
        ConfigError: it is missing.
    """
    if find_spec("safetensors") is None:
        raise ConfigError("to=safetensors needs safetensors: pip install 'rnnlab[export]'")
