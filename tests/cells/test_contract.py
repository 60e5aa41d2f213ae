"""What every cell owes the rest, over all of `CELLS`."""

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap

from rnnlab.cells import Cell, readable, unroll_loop
from rnnlab.state import State, flatten, leaves, map_state
from tests.cells.zoo import (
    BATCH,
    CELLS,
    RECURRENT,
    STEPS,
    draw,
    draw_state,
    make,
    prefix_mask,
    same,
)

every_cell = pytest.mark.parametrize("name", CELLS)
MASKS = {"no_mask": None, "mask": [STEPS, 2, 0], "mask_of_all": [STEPS] * BATCH}


def gradients(cell: Cell, outputs: Tensor, state: State, wrt: list[Tensor]) -> list[Tensor]:
    """Differentiate one number in which every output and state has a weight of its own."""
    numbers = torch.cat([outputs.flatten(), flatten(state).flatten()])
    weights = torch.linspace(-1, 1, len(numbers), dtype=numbers.dtype).cos()
    return list(
        torch.autograd.grad(
            numbers @ weights, [*cell.parameters(), *wrt], allow_unused=True, materialize_grads=True
        )
    )


@every_cell
@pytest.mark.parametrize("lengths", MASKS.values(), ids=MASKS)
def test_fast_twin_and_loop_agree_in_values_and_gradients(
    name: str, lengths: list[int] | None
) -> None:
    cell = make(name)
    inputs = draw(cell).requires_grad_()
    start = map_state(lambda s: s.requires_grad_(), draw_state(cell))
    mask = None if lengths is None else prefix_mask(lengths)
    answered = torch.ones(BATCH, STEPS, dtype=torch.bool) if mask is None else mask

    results = []
    for unroll in (cell.unroll, lambda *args: unroll_loop(cell, *args)):
        outputs, state = unroll(inputs, start, mask)
        outputs = outputs * answered[..., None]  # after the end of a row they mean nothing
        results.append((outputs, state, *gradients(cell, outputs, state, [inputs, *leaves(start)])))

    same(results[0], results[1])


@every_cell
@pytest.mark.parametrize("record", [True, False], ids=["training", "inference"])
def test_fast_twin_and_loop_agree_in_single_precision(name: str, record: bool) -> None:
    # torch may take other kernels here (oneDNN) than in double precision
    cell = make(name).float()
    inputs, start = draw(cell).float(), cell.initial_state(BATCH)
    mask = prefix_mask([STEPS, 2, 0])
    with torch.set_grad_enabled(record):
        outputs, state = cell.unroll(inputs, start, mask)
        expected, expected_state = unroll_loop(cell, inputs, start, mask)
    same((outputs * mask[..., None], state), (expected * mask[..., None], expected_state))


@every_cell
def test_unroll_equals_iterated_steps(name: str) -> None:
    cell = make(name)
    inputs, state = draw(cell), draw_state(cell)
    outputs, last = cell.unroll(inputs, state)
    for t in range(STEPS):
        output, state = cell(inputs[:, t], state)
        same(output, outputs[:, t])
    same(state, last)


@every_cell
def test_unroll_may_be_cut_anywhere_and_joined(name: str) -> None:
    cell = make(name)
    inputs, start = draw(cell), draw_state(cell)
    whole = cell.unroll(inputs, start)
    for cut in range(1, STEPS):
        first, middle = cell.unroll(inputs[:, :cut], start)
        second, last = cell.unroll(inputs[:, cut:], middle)
        same((torch.cat([first, second], dim=1), last), whole)


@every_cell
@pytest.mark.parametrize("fast", [True, False])
def test_padding_changes_nothing(name: str, fast: bool) -> None:
    cell = make(name)
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


@every_cell
def test_what_stands_in_the_padding_changes_nothing(name: str) -> None:
    cell = make(name)
    inputs, start, mask = draw(cell), draw_state(cell), prefix_mask([STEPS, 3, 0])
    other = torch.where(mask[..., None], inputs, 100.0)
    outputs, last = cell.unroll(inputs, start, mask)
    other_outputs, other_last = cell.unroll(other, start, mask)
    same(other_last, last, rtol=0, atol=0)
    same(other_outputs[mask], outputs[mask], rtol=0, atol=0)


@every_cell
def test_trajectory_is_the_states_step_by_step(name: str) -> None:
    cell = make(name)
    inputs, state = draw(cell), draw_state(cell)
    trajectory = cell.trajectory(inputs, state)
    for t in range(STEPS):
        _, state = cell(inputs[:, t], state)
        same(map_state(lambda s, t=t: s[:, t], trajectory), state)


@every_cell
def test_outputs_do_not_see_later_inputs(name: str) -> None:
    cell = make(name)
    inputs, start = draw(cell).requires_grad_(), draw_state(cell)
    outputs, _ = cell.unroll(inputs, start)
    for t in range(STEPS):
        (seen,) = torch.autograd.grad(outputs[:, t].sum(), inputs, retain_graph=True)
        assert seen[:, t].abs().max() > 0
        assert not seen[:, t + 1 :].any()


@pytest.mark.parametrize("name", RECURRENT)
def test_the_first_input_reaches_the_last_output(name: str) -> None:
    cell = make(name)
    inputs = draw(cell).requires_grad_()
    outputs, _ = cell.unroll(inputs, cell.initial_state(BATCH))
    (seen,) = torch.autograd.grad(outputs[:, -1].square().sum(), inputs)
    assert seen[:, 0].abs().max() > 0


@every_cell
def test_gradients_agree_with_finite_differences(name: str) -> None:
    cell = make(name)
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


@every_cell
def test_vmap_over_stacked_parameters_equals_the_members(name: str) -> None:
    members = [make(name) for _ in range(3)]
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


@every_cell
def test_nothing_is_kept_between_calls(name: str) -> None:
    cell = make(name)
    inputs, start = draw(cell), draw_state(cell)
    before = {key: value.clone() for key, value in cell.state_dict().items()}
    first = cell.unroll(inputs, start)
    cell.unroll(draw(cell), draw_state(cell))
    same(cell.unroll(inputs, start), first, rtol=0, atol=0)
    assert all(torch.equal(value, before[key]) for key, value in cell.state_dict().items())


@every_cell
def test_sizes_are_as_declared(name: str) -> None:
    cell = make(name)
    output, state = cell(draw(cell)[:, 0], cell.initial_state(BATCH))
    assert output.shape == (BATCH, cell.output_size)
    assert [s.shape for s in leaves(state)] == [s.shape for s in leaves(cell.initial_state(BATCH))]
    assert not any(leaf.any() for leaf in leaves(cell.initial_state(BATCH)))


def test_readable_ends_where_it_began() -> None:
    cell = make("stack_mixed")
    flags = [part.fast for part in cell.modules() if isinstance(part, Cell)]
    with readable(cell):
        assert not any(part.fast for part in cell.modules() if isinstance(part, Cell))
    assert [part.fast for part in cell.modules() if isinstance(part, Cell)] == flags
