"""ONNX graphs of modules whose cells run over time, with batch and time free.

torch's exporter unrolls a loop over time into as many nodes as the example has steps, and its own
scan refuses cells that fold their batch. So here each cell's `unroll` becomes a node of our own,
of which only the shapes are known, and the node becomes ONNX's `Scan` afterwards, whose body is
the exported step of the cell.
"""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from rnnlab.cells import Cell, readable
from rnnlab.cells.base import one_hot
from rnnlab.exports.parts import Example
from rnnlab.state import State, flatten, leaves, unflatten, where

_NODE = "Unroll"
_DOMAIN = "rnnlab"
_ROWS = 3  # of examples: a number that no size is fixed to


class _CellStep(nn.Module):
    """A step of a cell whose state is a flat vector; where the mask is False it stays."""

    def __init__(self, cell: Cell, template: State) -> None:
        super().__init__()
        self.cell, self.template = cell, template

    def forward(self, flat: Tensor, input: Tensor, *mask: Tensor) -> tuple[Tensor, Tensor]:
        """Take `(B, S)`, `(B, I)` and perhaps `(B,)`, and return `(B, S)` and `(B, O)`."""
        state = unflatten(flat, self.template)
        output, new = self.cell(input, state)
        return flatten(where(mask[0], new, state) if mask else new), output


def export_graph(module: nn.Module, example: Example, outputs: Sequence[str]) -> Any:
    """Return the ONNX model of a module.

    Args:
        module: it takes the example's tensors; in evaluation mode.
        example: inputs, with the sizes that stay free.
        outputs: names of what it returns.
    """
    calls: list[_CellStep] = []
    with readable(module), _opaque_unrolls(module, calls):
        model = _exported(module, list(example.tensors.values()), list(example.free.values()))
    values = [*model.graph.input, *model.graph.output]
    named = dict(zip([each.name for each in values], [*example.tensors, *outputs], strict=False))
    _rename(model.graph, lambda name: named.get(name, name))
    for node in [node for node in model.graph.node if node.domain == _DOMAIN]:
        _replace(model, node, calls)
    kept = [opset for opset in model.opset_import if opset.domain != _DOMAIN]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    return model


@contextmanager
def _opaque_unrolls(module: nn.Module, calls: list[_CellStep]) -> Iterator[None]:
    """Let the outermost cells unroll as one node of the graph each, and collect their steps."""
    inner = {part for cell in _cells(module) for part in cell.modules() if part is not cell}
    with ExitStack() as stack:
        for cell in _cells(module):
            if cell not in inner:
                vars(cell)["unroll"] = _opaque(cell, calls)
                stack.callback(vars(cell).pop, "unroll")
        yield


def _cells(module: nn.Module) -> list[Cell]:
    return [part for part in module.modules() if isinstance(part, Cell)]


def _opaque(cell: Cell, calls: list[_CellStep]) -> Callable[..., tuple[Tensor, State]]:
    def unroll(inputs: Tensor, state: State, mask: Tensor | None = None) -> tuple[Tensor, State]:
        inputs = one_hot(inputs, cell.input_size, leaves(state)[0].dtype)
        flat = flatten(state)
        template = cell.initial_state(1)
        calls.append(_CellStep(cell, template))
        outputs, final = torch.onnx.ops.symbolic_multi_out(
            f"{_DOMAIN}::{_NODE}",
            [inputs, flat, *([] if mask is None else [mask])],
            {"number": len(calls) - 1},
            dtypes=[inputs.dtype, flat.dtype],
            shapes=[(*inputs.shape[:2], cell.output_size), flat.shape],
            version=1,
        )
        return outputs, unflatten(final, template)

    return unroll


@torch.no_grad()
def _exported(module: nn.Module, inputs: list[Tensor], free: Sequence[dict[int, str]]) -> Any:
    """Export a module without loops over time by torch."""
    sizes = {name: torch.export.Dim(name) for axes in free for name in axes.values()}
    shapes = tuple({axis: sizes[name] for axis, name in axes.items()} for axes in free)
    signature = _positional(module, shapes)
    with warnings.catch_warnings(), _quiet():
        warnings.simplefilter("ignore")  # of torch's own parts, about each other
        program = torch.onnx.export(
            module.eval(), tuple(inputs), dynamo=True, dynamic_shapes=signature, verbose=False
        )
    assert program is not None
    return program.model_proto


def _positional(module: nn.Module, shapes: tuple[Any, ...]) -> tuple[Any, ...]:
    """Nest shapes as the arguments of `forward` are, whose last may be `*tensors`."""
    code: Any = type(module).forward.__code__
    named = code.co_argcount - 1
    starred = bool(code.co_flags & 0x04)
    return (*shapes[:named], shapes[named:]) if starred and shapes[named:] else shapes


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what torch logs about packages that it could use."""
    log = logging.getLogger("torch.onnx")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


def _replace(model: Any, node: Any, calls: Sequence[_CellStep]) -> None:
    """Replace the node of an unrolled cell by a `Scan` over its step."""
    from onnx import helper

    (number,) = (attribute.i for attribute in node.attribute if attribute.name == "number")
    step = calls[number]
    size = flatten(step.template).shape[1]
    masked = len(node.input) == 3
    tensors = [torch.zeros(_ROWS, size), torch.zeros(_ROWS, step.cell.input_size)]
    tensors += [torch.ones(_ROWS, dtype=torch.bool)] if masked else []
    with readable(step):
        body = _exported(step, tensors, [{0: "batch"}] * len(tensors))
    graph = body.graph
    # None of its names may be one of the graph around it.
    _rename(graph, lambda name: name and f"unroll_{number}_{name}")
    inputs, state, *mask = node.input
    outputs, final = node.output
    scan = helper.make_node(
        "Scan",
        [state, inputs, *mask],
        [final, outputs],
        name=f"unroll_{number}",
        body=graph,
        num_scan_inputs=1 + masked,
        scan_input_axes=[1] * (1 + masked),
        scan_output_axes=[1],
    )
    node.CopyFrom(scan)
    known = {opset.domain for opset in model.opset_import}
    model.opset_import.extend(o for o in body.opset_import if o.domain not in known)
    model.functions.extend(body.functions)


def _rename(graph: Any, new: Callable[[str], str]) -> None:
    """Give the values and nodes of a graph new names; an empty name is no value."""
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        value.name = new(value.name)
    for node in graph.node:
        node.name = new(node.name)
        for names in (node.input, node.output):
            renamed = [new(name) for name in names]
            del names[:]
            names.extend(renamed)
