"""What every cell owes the rest of rnnlab."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap

from rnnlab.cells import Cell, readable, unroll_loop
from rnnlab.state import State, flatten, leaves, map_state
from rnnlab.testing.contracts import Contracts

BATCH, STEPS = 3, 6
CELL_CONTRACTS = Contracts()
_LENGTHS = (None, [STEPS, 2, 0], [STEPS] * BATCH)  # real steps of each row; None: no mask

Make = Callable[[], Cell]
Module = TypeVar("Module", bound=torch.nn.Module)


def check_cell(make: Make) -> None:
    """Hold a cell to every contract: `make` gives a small one, with new parameters at each call.

    Raises:
        AssertionError: it names the contract that is broken.
    """
    CELL_CONTRACTS.check(type(make()).__name__, make)


def scatter(module: Module, scale: float = 0.5) -> Module:
    """Give every parameter its own random value, so that no 0 or 1 hides a missing term."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=scale)
    return module


def scattered(make: Make) -> Cell:
    """Give a cell in float64 with random parameters."""
    return scatter(make().double())


def draw(cell: Cell, steps: int = STEPS) -> Tensor:
    """Draw inputs `(B, T, I)`."""
    return torch.randn(BATCH, steps, cell.input_size, dtype=torch.float64)


def draw_state(cell: Cell) -> State:
    """Draw a state, as if something had gone before."""
    return map_state(torch.randn_like, cell.initial_state(BATCH))


def prefix_mask(lengths: list[int], steps: int = STEPS) -> Tensor:
    """Give the mask `(B, T)` of rows with so many real steps."""
    return torch.arange(steps) < torch.tensor(lengths)[:, None]


def same(one: State, other: State, *, rtol: float | None = None, atol: float | None = None) -> None:
    """Hold two trees of tensors equal."""
    for a, b in zip(leaves(one), leaves(other), strict=True):
        torch.testing.assert_close(a, b, rtol=rtol, atol=atol)


def _gradients(cell: Cell, outputs: Tensor, state: State, wrt: list[Tensor]) -> list[Tensor]:
    """Differentiate one number in which every output and state has a weight of its own."""
    numbers = torch.cat([outputs.flatten(), flatten(state).flatten()])
    weights = torch.linspace(-1, 1, len(numbers), dtype=numbers.dtype).cos()
    return list(
        torch.autograd.grad(
            numbers @ weights, [*cell.parameters(), *wrt], allow_unused=True, materialize_grads=True
        )
    )


def _both_ways(
    cell: Cell, inputs: Tensor, start: State, mask: Tensor | None
) -> list[tuple[State, ...]]:
    """Return outputs, state and gradients, if there are any, by `unroll` and by the loop."""
    results = []
    for unroll in (cell.unroll, partial(unroll_loop, cell)):
        outputs, state = unroll(inputs, start, mask)
        if mask is not None:
            outputs = outputs * mask[..., None]  # after the end of a row they mean nothing
        wrt = [inputs, *leaves(start)]
        slopes = _gradients(cell, outputs, state, wrt) if inputs.requires_grad else []
        results.append((outputs, state, *slopes))
    return results


@CELL_CONTRACTS.add
def fast_and_readable_unroll_agree(make: Make) -> None:
    """`unroll` gives the values and gradients of the loop over `forward`, with any mask."""
    for lengths in _LENGTHS:
        cell = scattered(make)
        inputs = draw(cell).requires_grad_()
        start = map_state(lambda s: s.requires_grad_(), draw_state(cell))
        same(*_both_ways(cell, inputs, start, None if lengths is None else prefix_mask(lengths)))


@CELL_CONTRACTS.add
def fast_and_readable_unroll_agree_in_single_precision(make: Make) -> None:
    """In float32, where kernels of ours and of oneDNN run, `unroll` is the loop as well."""
    mask = prefix_mask([STEPS, 2, 0])
    for record in (True, False):
        cell = scattered(make).float()
        inputs = draw(cell).float().requires_grad_(record)
        start = map_state(lambda s, on=record: s.float().requires_grad_(on), draw_state(cell))
        with torch.set_grad_enabled(record):
            same(*_both_ways(cell, inputs, start, mask), rtol=1e-4, atol=1e-5)


@CELL_CONTRACTS.add
def unroll_equals_iterated_steps(make: Make) -> None:
    """`unroll` gives what `forward` gives step by step."""
    cell = scattered(make)
    inputs, state = draw(cell), draw_state(cell)
    outputs, last = cell.unroll(inputs, state)
    for t in range(STEPS):
        output, state = cell(inputs[:, t], state)
        same(output, outputs[:, t])
    same(state, last)


@CELL_CONTRACTS.add
def unroll_may_be_cut_anywhere_and_joined(make: Make) -> None:
    """The state after the first part is all that the second part needs."""
    cell = scattered(make)
    inputs, start = draw(cell), draw_state(cell)
    whole = cell.unroll(inputs, start)
    for cut in range(1, STEPS):
        first, middle = cell.unroll(inputs[:, :cut], start)
        second, last = cell.unroll(inputs[:, cut:], middle)
        same((torch.cat([first, second], dim=1), last), whole)


@CELL_CONTRACTS.add
def padding_changes_nothing(make: Make) -> None:
    """A row of a padded batch is what it is alone, and its state is held after its end."""
    for fast in (True, False):
        cell = scattered(make)
        cell.fast = fast
        inputs, start = draw(cell), draw_state(cell)
        lengths = [STEPS, 3, 0]
        outputs, last = cell.unroll(inputs, start, prefix_mask(lengths))
        for row, length in enumerate(lengths):
            alone = map_state(lambda s, row=row: s[row : row + 1], start)
            held = map_state(lambda s, row=row: s[row : row + 1], last)
            if length:
                expected, alone = cell.unroll(inputs[row : row + 1, :length], alone)
                same(outputs[row : row + 1, :length], expected)
                same(held, alone)
            else:
                same(held, alone, rtol=0, atol=0)


@CELL_CONTRACTS.add
def what_stands_in_the_padding_changes_nothing(make: Make) -> None:
    """Other values in the padding change neither an answer nor the last state, by a single bit."""
    cell = scattered(make)
    inputs, start, mask = draw(cell), draw_state(cell), prefix_mask([STEPS, 3, 0])
    other = torch.where(mask[..., None], inputs, 100.0)
    outputs, last = cell.unroll(inputs, start, mask)
    other_outputs, other_last = cell.unroll(other, start, mask)
    same(other_last, last, rtol=0, atol=0)
    same(other_outputs[mask], outputs[mask], rtol=0, atol=0)


@CELL_CONTRACTS.add
def trajectory_is_the_states_step_by_step(make: Make) -> None:
    """`trajectory` gives the state after each step."""
    cell = scattered(make)
    inputs, state = draw(cell), draw_state(cell)
    trajectory = cell.trajectory(inputs, state)
    for t in range(STEPS):
        _, state = cell(inputs[:, t], state)
        same(map_state(lambda s, t=t: s[:, t], trajectory), state)


@CELL_CONTRACTS.add
def outputs_do_not_see_later_inputs(make: Make) -> None:
    """An output depends on its own input, and on no later one."""
    cell = scattered(make)
    inputs, start = draw(cell).requires_grad_(), draw_state(cell)
    outputs, _ = cell.unroll(inputs, start)
    for t in range(STEPS):
        (seen,) = torch.autograd.grad(outputs[:, t].sum(), inputs, retain_graph=True)
        assert seen[:, t].abs().max() > 0, f"output {t} does not depend on input {t}"
        assert not seen[:, t + 1 :].any(), f"output {t} depends on a later input"


@CELL_CONTRACTS.add
def gradients_agree_with_finite_differences(make: Make) -> None:
    """Gradients pass `torch.autograd.gradcheck` in float64."""
    cell = scattered(make)
    inputs = draw(cell, 3)[:2].requires_grad_()
    start = map_state(lambda s: s[:2], draw_state(cell))
    parameters = dict(cell.named_parameters())

    class Unroll(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = cell

        def forward(self, inputs: Tensor) -> Tensor:
            outputs, state = self.cell.unroll(inputs, start)
            return torch.cat([outputs.flatten(1), flatten(state)], dim=1)

    def run(inputs: Tensor, *values: Tensor) -> Tensor:
        named = {f"cell.{key}": value for key, value in zip(parameters, values, strict=True)}
        return functional_call(Unroll(), named, (inputs,))

    torch.manual_seed(1)  # gradcheck projects on random vectors in its fast mode
    assert torch.autograd.gradcheck(run, (inputs, *parameters.values()), fast_mode=True)


@CELL_CONTRACTS.add
def gradient_reaches_every_parameter(make: Make) -> None:
    """No parameter is without a gradient: it would never be trained."""
    cell = scattered(make)
    inputs = draw(cell).requires_grad_()
    outputs, state = cell.unroll(inputs, draw_state(cell))
    slopes = _gradients(cell, outputs, state, [inputs])[:-1]
    for (name, _), slope in zip(cell.named_parameters(), slopes, strict=True):
        assert slope.abs().sum() > 0, f"{name} has no gradient"


@CELL_CONTRACTS.add
def vmap_over_stacked_parameters_equals_the_members(make: Make) -> None:
    """Several cells as one, by `torch.func.vmap`, have the values and gradients of each alone."""
    members = [scattered(make) for _ in range(3)]
    base, inputs, mask = members[0], draw(members[0]), prefix_mask([STEPS, 2, 0])
    parameters, buffers = stack_module_state(members)

    class Unroll(torch.nn.Module):
        def __init__(self, cell: Cell) -> None:
            super().__init__()
            self.cell = cell

        def forward(self) -> Tensor:
            outputs, state = self.cell.unroll(inputs, self.cell.initial_state(BATCH), mask)
            return (outputs * mask[..., None]).square().sum() + flatten(state).square().sum()

    def score(parameters: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
        named = {f"cell.{key}": value for key, value in (parameters | buffers).items()}
        return functional_call(Unroll(base), named, ())

    with readable(base):
        scores = vmap(score)(parameters, buffers)
        slopes = vmap(grad(score))(parameters, buffers)
    for index, member in enumerate(members):
        alone = Unroll(member)()
        same(scores[index], alone)
        for key, parameter in member.named_parameters():
            (slope,) = torch.autograd.grad(alone, parameter, retain_graph=True)
            same(slopes[key][index], slope)


@CELL_CONTRACTS.add
def nothing_is_kept_between_calls(make: Make) -> None:
    """The same inputs and state give the same outputs, bit for bit, whatever came between."""
    cell = scattered(make)
    inputs, start = draw(cell), draw_state(cell)
    before = {key: value.clone() for key, value in cell.state_dict().items()}
    first = cell.unroll(inputs, start)
    cell.unroll(draw(cell), draw_state(cell))
    same(cell.unroll(inputs, start), first, rtol=0, atol=0)
    assert all(torch.equal(value, before[key]) for key, value in cell.state_dict().items())


@CELL_CONTRACTS.add
def sizes_are_as_declared(make: Make) -> None:
    """Outputs have `output_size`, states keep their shapes, and all rows begin alike."""
    cell = scattered(make)
    output, state = cell(draw(cell)[:, 0], cell.initial_state(BATCH))
    assert output.shape == (BATCH, cell.output_size)
    assert [s.shape for s in leaves(state)] == [s.shape for s in leaves(cell.initial_state(BATCH))]
    assert all((leaf == leaf[:1]).all() for leaf in leaves(cell.initial_state(BATCH)))


@CELL_CONTRACTS.add
def readable_unrolls_call_each_step(make: Make) -> None:
    """Under `readable`, unrolling calls `forward` once a step, so that analyses can observe it."""
    cell = scattered(make)
    layers = [part for part in cell.modules() if isinstance(part, Cell) and not _has_cells(part)]
    calls = dict.fromkeys(layers, 0)
    for layer in layers:
        layer.register_forward_hook(lambda layer, *_: calls.update({layer: calls[layer] + 1}))
    with readable(cell):
        cell.unroll(draw(cell), draw_state(cell))
    assert [*calls.values()] == [STEPS] * len(layers), "override `unroll_fast`, and not `unroll`"


def _has_cells(cell: Cell) -> bool:
    return any(isinstance(part, Cell) for part in cell.modules() if part is not cell)
