"""ONNX files of a trained model."""

from dataclasses import dataclass, field
from importlib.util import find_spec

import torch

from rnnlab.errors import ConfigError
from rnnlab.exports.check import SIZES, largest_difference
from rnnlab.exports.graph import export_graph
from rnnlab.exports.parts import Begin, Step, Whole, named_leaves
from rnnlab.models.base import Model

_TRACED = (3, 4)  # rows and steps of the examples that are traced
_LEAST = (2, 8)  # torch has nodes of others' operators since then


@dataclass(frozen=True)
class Graph:
    """An ONNX file.

    Attributes:
        name: of the file.
        content: of the file.
        meaning: what it computes, in a sentence.
        inputs: name -> type and sizes.
        outputs: the same.
        difference: the largest one of its outputs from the model's.
    """

    name: str
    content: bytes = field(repr=False)
    meaning: str
    inputs: dict[str, str]
    outputs: dict[str, str]
    difference: float


def to_onnx(model: Model) -> list[Graph]:
    """Return the graphs of a model, each held equal to it at two lengths and batch sizes.

    A stream model has one of whole sequences, one that gives its first state and one of a step. An
    encoder-decoder has the encoder and a step of the decoder.

    Raises:
        ConfigError: the model can't be exported, or a graph is not equal.
    """
    begin = Begin(model)
    state = begin.state(*_TRACED)
    names = [name for name, _ in named_leaves(state)]
    step = Step(model, state)
    changed = [f"new_{names[index]}" for index in step.changing]
    graphs = []
    if model.spec.source is None:
        meaning = "reads whole sequences and gives the output of each step"
        graphs.append(_graph("model.onnx", meaning, Whole(model), ["output"]))
        meaning = "gives the state before the first step, for as many rows as its input has"
        graphs.append(_graph("begin.onnx", meaning, begin, names))
        meaning = "takes one step from a state, as to generate"
    else:
        meaning = "reads the source and gives the state of the decoder before its first step"
        graphs.append(_graph("encoder.onnx", meaning, begin, names))
        meaning = (
            "takes one step of the decoder; inputs without a `new_` of theirs stay as they are"
        )
    graphs.append(_graph("step.onnx", meaning, step, ["output", *changed]))
    return graphs


def _graph(name: str, meaning: str, module: Begin | Step | Whole, outputs: list[str]) -> Graph:
    """Export a module and compare the graph with it.

    Args:
        name: of the file.
        meaning: what it computes.
        module: the module.
        outputs: names.
    """
    try:
        model = export_graph(module.eval(), module.example(*_TRACED), outputs)
    except (torch.onnx.OnnxExporterError, NotImplementedError) as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise ConfigError(f"{name} can't be made of this model: {reason}") from error
    content: bytes = model.SerializeToString()
    others = [module.example(rows, steps) for rows, steps in SIZES]
    difference = largest_difference(content, module, others, name)
    inputs = {value.name: _described(value) for value in model.graph.input}
    results = {value.name: _described(value) for value in model.graph.output}
    return Graph(name, content, meaning, inputs, results, difference)


def _described(value: object) -> str:
    """Describe type and sizes of an input or output, such as `int64 (batch, time)`."""
    from onnx import TensorProto

    kind = value.type.tensor_type  # type: ignore[attr-defined]
    name = TensorProto.DataType.Name(kind.elem_type).lower()
    name = {"float": "float32"}.get(name, name)
    sizes = [str(size.dim_param or size.dim_value) for size in kind.shape.dim]
    return f"{name} ({', '.join(sizes)})"


def check_onnx() -> None:
    """Refuse to go on without the packages.

    Raises:
        ConfigError: some are missing, or torch is too old.
    """
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise ConfigError(f"to=onnx needs {' and '.join(missing)}: pip install 'rnnlab[export]'")
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if version < _LEAST:
        raise ConfigError(f"to=onnx needs torch 2.8 or later, got {torch.__version__}")
