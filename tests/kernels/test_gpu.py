"""The kernels for a GPU equal the loop in float64: on one, or else in Triton's interpreter."""

import os
import subprocess
import sys
from copy import deepcopy
from functools import partial
from importlib.util import find_spec

import pytest
import torch

from rnnlab.cells import Cell, readable
from rnnlab.cells.base import declared_kernel, usable_kernel
from rnnlab.ensemble.batches import stack
from rnnlab.ensemble.stacked_model import StackedModel
from rnnlab.kernels import functions
from rnnlab.models import Model
from rnnlab.models.answers import select_steps
from rnnlab.models.kernel_loss import has_kernel_loss, kernel_loss
from rnnlab.spec import Batch, TaskSpec, Tokens, map_batch
from rnnlab.state import leaves, like, map_state
from tests.cells.zoo import CELLS, prefix_mask, scatter
from tests.models.test_kernel_loss import TASK, draw_batch
from tests.models.zoo import SPECS, make_stream

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
needs_triton = pytest.mark.skipif(find_spec("triton") is None, reason="needs Triton")
pytestmark = [needs_triton, *([pytest.mark.gpu] if DEVICE.type == "cuda" else [])]

STEPS = 5
WIDE = TaskSpec(input=Tokens(11), target=Tokens(130))  # more classes than a program keeps


def has_kernel(cell: Cell) -> bool:
    kernel = declared_kernel(cell)
    return kernel is not None and kernel.kernel.name != "taps"


NAMES = [name for name, make in CELLS.items() if has_kernel(make())]
STREAMS = {
    **{f"elman_{f}": ("elman", {"activation": f}) for f in ("tanh", "sigmoid", "relu")},
    "gru": ("gru", {}),
    "lstm": ("lstm", {}),
    **{f"jordan_{f}": ("jordan", {"activation": f}) for f in ("tanh", "sigmoid", "relu")},
    "jordan_taught": ("jordan", {"teacher_forcing": True}),
}


@pytest.fixture(autouse=True)
def _kernels_for_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    if DEVICE.type == "cpu":
        monkeypatch.setattr(functions, "why_none_on", lambda _: None)
        monkeypatch.setattr(functions, "_calls_of", lambda _: functions.gpu_calls())


def unroll(cell: Cell, taken: list[torch.Tensor], state, mask) -> list[torch.Tensor]:
    """Outputs on real steps, final state, and gradients of all of it."""
    leaf_of = [part.detach().clone().requires_grad_() for part in taken]
    outputs, final = cell.unroll(leaf_of[0], like(state, leaf_of[1:]), mask)
    if mask is not None:
        outputs = outputs * mask[..., None]
    found = [outputs, *leaves(final)]
    torch.manual_seed(0)
    total = sum((part * torch.randn(part.shape).to(part)).sum() for part in found)
    slopes = list(torch.autograd.grad(total, [*leaf_of, *cell.parameters()]))
    if getattr(cell, "teacher_forcing", False):  # no gradient is promised to what is taught
        slopes[0] = slopes[0][..., : -2 * cell.output_size]
    return [part.detach().cpu().double() for part in [*found, *slopes]]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("rows", "hidden_size"), [(1, 1), (3, 16), (37, 5), (17, 33), (3, 70)])
@pytest.mark.parametrize("name", NAMES)
def test_values_and_gradients(name: str, rows: int, hidden_size: int, masked: bool) -> None:
    cell = scatter(CELLS[name](hidden_size=hidden_size)).float().to(DEVICE)
    inputs = torch.randn(rows, STEPS, cell.input_size)
    if getattr(cell, "teacher_forcing", False):
        size = cell.output_size
        inputs[..., -size:] = (inputs[..., -size:] > 0).float()
    state = map_state(torch.randn_like, cell.initial_state(rows))
    mask = prefix_mask([n % (STEPS + 1) for n in range(rows)], STEPS) if masked else None
    taken = [inputs.to(DEVICE), *leaves(state)]
    mask = None if mask is None else mask.to(DEVICE)
    assert usable_kernel(cell, taken[0]) is not None
    found = unroll(cell, taken, state, mask)
    with readable(cell.double()):
        expected = unroll(cell, [part.double() for part in taken], state, mask)
    for one, other in zip(found, expected, strict=True):
        largest = max(1.0, float(other.abs().max())) if other.numel() else 1.0
        torch.testing.assert_close(one, other, rtol=0, atol=2e-5 * largest)


@pytest.mark.parametrize("name", [name for name in NAMES if "taught" not in name])
def test_indices_of_one_hot_inputs(name: str) -> None:
    cell = scatter(CELLS[name]()).float().to(DEVICE)
    symbols = torch.randint(cell.input_size, (18, STEPS), device=DEVICE)
    state = cell.initial_state(18)
    results = []
    for inputs in (symbols, torch.nn.functional.one_hot(symbols, cell.input_size).float()):
        outputs, final = cell.unroll(inputs, state)
        slopes = torch.autograd.grad(outputs.cos().sum(), list(cell.parameters()))
        results.append([outputs, *leaves(final), *slopes])
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("name", NAMES)
def test_a_second_backward_pass_finds_the_same(name: str) -> None:
    cell = scatter(CELLS[name]()).float().to(DEVICE)
    inputs = torch.randn(2, STEPS, cell.input_size, device=DEVICE)
    total = cell.unroll(inputs, cell.initial_state(2))[0].square().sum()
    parameters = list(cell.parameters())
    first = torch.autograd.grad(total, parameters, retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(total, parameters), first)


def assert_alike(model: Model, batches: list[Batch], steps: list[int] | None = None) -> None:
    """A group computes the losses and gradients of its members."""
    members = [scatter(deepcopy(model)) for _ in batches]
    stacked = StackedModel([deepcopy(member).float() for member in members], DEVICE)
    flat = stacked.flat.requires_grad_()
    batch = map_batch(lambda part: part.to(DEVICE), stack(batches))
    batch = select_steps(batch, steps)
    assert has_kernel_loss(stacked.model, batch)
    loss = partial(_first_of_kernel_loss, steps)
    losses = stacked(loss, flat, batch, shared=False, steps=steps)
    weights = torch.arange(1.0, len(members) + 1, device=DEVICE)  # lest gradients go astray
    (grad,) = torch.autograd.grad(losses @ weights, flat)
    grad = grad / weights[:, None]
    for n, (member, own) in enumerate(zip(members, batches, strict=True)):
        expected = TASK.loss(member(own)[0], own)
        slopes = torch.autograd.grad(expected, list(member.parameters()), materialize_grads=True)
        close = {"check_dtype": False, "check_device": False, "rtol": 1e-4, "atol": 2e-6}
        torch.testing.assert_close(losses[n], expected, **close)
        torch.testing.assert_close(grad[n], torch.cat([s.flatten() for s in slopes]), **close)


def _first_of_kernel_loss(steps, model, batch):
    return kernel_loss(model, batch, steps=steps)[0]


@pytest.mark.parametrize("rows", [1, 47])
@pytest.mark.parametrize("name", STREAMS)
def test_losses_of_a_group(name: str, rows: int) -> None:
    cell, settings = STREAMS[name]
    model = make_stream(SPECS["tokens"], cell, cell_settings=settings)
    assert_alike(model, [draw_batch(rows) for _ in range(3)])


@pytest.mark.parametrize(
    ("name", "settings", "steps"),
    [
        ("elman_tanh", {}, None),
        ("elman_sigmoid", {}, [0, 2, 3, 6]),
        ("elman_relu", {"initial_state": "learned"}, None),
    ],
)
def test_many_programs_add_up_gradients_themselves(name: str, settings, steps, monkeypatch) -> None:
    from rnnlab.kernels.gpu import scan_call

    monkeypatch.setattr(scan_call, "_MANY", 1)
    cell, of_cell = STREAMS[name]
    model = make_stream(SPECS["tokens"], cell, cell_settings=of_cell, **settings)
    batches = [draw_batch(18) for _ in range(2)]
    for batch in batches:
        batch.mask[:, [t for t in range(7) if steps is not None and t not in steps]] = False
        batch.mask[0, 3] = True
    assert_alike(model, batches, steps)


@pytest.mark.parametrize("spec", [SPECS["tokens"], WIDE], ids=["few", "many"])
@pytest.mark.parametrize("steps", [[3, 4, 5], [0, 2, 3, 6]])
@pytest.mark.parametrize("name", ["elman_tanh", "gru", "lstm", "jordan_tanh"])
def test_some_steps_alone(name: str, steps: list[int], spec: TaskSpec) -> None:
    if spec is WIDE and "jordan" in name:
        pytest.skip("it feeds all classes back")
    cell, settings = STREAMS[name]
    model = make_stream(spec, cell, cell_settings=settings)
    batches = [draw_batch(18, spec) for _ in range(2)]
    for batch in batches:
        batch.mask[:, [t for t in range(7) if t not in steps]] = False
        batch.mask[0, 3] = True
    assert_alike(model, batches, steps)


@pytest.mark.parametrize(
    "settings", [{"embedding_size": 3}, {"initial_state": "learned"}, {"num_layers": 2}]
)
@pytest.mark.parametrize("name", ["elman_relu", "gru", "lstm", "jordan_tanh"])
def test_what_stands_before_the_cell_learns_too(name: str, settings) -> None:
    cell, of_cell = STREAMS[name]
    model = make_stream(SPECS["tokens"], cell, cell_settings=of_cell, **settings)
    assert_alike(model, [draw_batch(18) for _ in range(2)])


@pytest.mark.parametrize(("rows", "columns", "width"), [(1, 1, 1), (700, 70, 17), (129, 16, 65)])
def test_products(rows: int, columns: int, width: int) -> None:
    from rnnlab.kernels.gpu.products import products

    left = torch.randn(2, rows, columns + 3, device=DEVICE)[:, :, :columns]
    numbers = torch.randn(2, rows, width, device=DEVICE)
    ids = torch.randint(7, (2, rows), device=DEVICE, dtype=torch.int32)
    found = products(left, numbers, ids, 7)
    one_hot = torch.nn.functional.one_hot(ids.long(), 7).double()
    turned = left.double().transpose(1, 2)
    expected = turned @ numbers.double(), turned @ one_hot, turned.sum(2)
    close = {"check_dtype": False, "rtol": 0, "atol": 1e-6 * rows}
    torch.testing.assert_close(found, expected, **close)
    again = products(left, numbers, ids, 7)
    assert all(torch.equal(*pair) for pair in zip(found, again, strict=True))


def test_a_gpu_has_the_memory_that_each_program_takes() -> None:
    """No GPU is needed to compile for one."""
    environment = {name: text for name, text in os.environ.items() if name != "TRITON_INTERPRET"}
    script = [sys.executable, "-m", "tests.kernels.compile_for_gpu"]
    done = subprocess.run(script, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    taken = [int(line.split()[1]) for line in done.stdout.splitlines()]
    assert len(taken) > 50
    assert max(taken) <= 232_448  # bytes of shared memory, of an H100


def test_wide_nets_take_another_way() -> None:
    calls = functions.gpu_calls()
    kernel = declared_kernel(CELLS["lstm"]())
    assert kernel is not None
    assert calls.computes(kernel.kernel, 128, 128)
    assert not calls.computes(kernel.kernel, 129, 129)
