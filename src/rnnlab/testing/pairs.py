"""What every model on every task owes the rest of rnnlab."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf
from PIL import Image
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional as F

from rnnlab.cells import readable
from rnnlab.config.catalogue import describe
from rnnlab.config.compose import compose
from rnnlab.experiment.experiment import Experiment
from rnnlab.inference.evaluate import evaluate
from rnnlab.inference.generate import beam_search, free_answers, free_run
from rnnlab.spec import Batch, TaskSpec, Tokens
from rnnlab.testing.contracts import Contracts
from rnnlab.testing.examples import FILES

ROWS = 3
PAIR_CONTRACTS = Contracts()

# Settings that make our own models and tasks small enough to be tried in milliseconds.
_SMALL = {
    "hidden_size": 6,
    "num_heads": 3,
    "taps": 3,
    "length": 5,
    "eval_periods": 2,
    "delay": 3,
    "pattern_size": 6,
    "answer_last": 3,
}


def check_model(*overrides: str, tasks: Sequence[str] | None = None) -> None:
    """Hold a model to every contract of a pair, on tasks of rnnlab made small.

    Args:
        overrides: what chooses the model and makes it small, such as `model=mine`,
            `model.cell.hidden_size=6`, `packages=[mypkg]`.
        tasks: names of tasks; `None` for all of rnnlab's.

    Raises:
        AssertionError: it names the contract that is broken, and the task.
        ConfigError: an override is wrong.
    """
    name = " ".join(overrides)
    pairs = {task: assemble(f"task={task}", *overrides) for task in tasks or describe("task")}
    for task, pair in pairs.items():
        PAIR_CONTRACTS.check(f"{name} on task={task}", pair)
    check_training(name, pairs.values())


def assemble(*overrides: str) -> Experiment:
    """Build a small experiment, its model ready to be evaluated.

    Settings of rnnlab's own models and tasks that no override names are made small.

    Raises:
        ConfigError: an override is wrong.
    """
    cfg = compose([*overrides, f"data.batch_size={ROWS}"])
    kept = {word.partition("=")[0] for word in overrides}
    with _file(cfg.choices["task"]) as path:
        if path is not None and "task.path" not in kept:
            cfg.task.path = str(path)
        OmegaConf.set_struct(cfg, False)
        _shrink(cfg.model, "model", kept)
        _shrink(cfg.task, "task", kept)
        experiment = Experiment.assemble(cfg)
    experiment.model.eval()
    return experiment


@contextmanager
def _file(task: str) -> Iterator[Path | None]:
    """Write a small file for a task that reads one, there as long as the task is built."""
    if task not in FILES:
        yield None
        return
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "data.txt"
        path.write_text(FILES[task](), encoding="utf-8")
        yield path


def _shrink(node: DictConfig, path: str, kept: set[str]) -> None:
    for key in node:
        inner = f"{path}.{key!s}"
        if isinstance(node[key], DictConfig):
            _shrink(node[key], inner, kept)
        elif key in _SMALL and inner not in kept:
            node[key] = _SMALL[str(key)]


@PAIR_CONTRACTS.add
def forward_equals_begin_and_iterated_steps(pair: Experiment) -> None:
    """`forward` gives what `begin` and `step`, one step at a time, give."""
    batch = pair.task.sample("train", 0, ROWS)
    output, _ = pair.model(batch)
    state, steps = pair.model.begin(batch), []
    for input in batch.input.unbind(1):
        step, state = pair.model.step(input, state)
        steps.append(step)
    torch.testing.assert_close(torch.stack(steps, 1), output, rtol=1e-4, atol=1e-5)


@PAIR_CONTRACTS.add
def no_output_depends_on_what_comes_later(pair: Experiment) -> None:
    """An output depends on no later input and on no target."""
    batch = pair.task.sample("train", 0, ROWS)
    output, _ = pair.model(batch)
    for cut in {0, batch.input.shape[1] // 2}:
        later = batch._replace(input=batch.input.clone(), target=batch.target.clone())
        later.input[:, cut + 1 :] = 0
        later.target[:, cut:] = 0
        torch.testing.assert_close(pair.model(later)[0][:, : cut + 1], output[:, : cut + 1])


@PAIR_CONTRACTS.add
def free_running_reads_no_target(pair: Experiment) -> None:
    """Free running gives the same where all targets, and inputs that hold one, are others."""
    batch = pair.task.sample("test", 0, ROWS)
    stripped = _blind(batch, pair.task.spec)
    torch.testing.assert_close(free_run(pair.model, stripped), free_run(pair.model, batch))


def _blind(batch: Batch, spec: TaskSpec) -> Batch:
    """Put another target in place of each, and take out every input that holds one."""
    others = batch.target + 1
    if isinstance(spec.target, Tokens):
        others %= spec.target.vocab_size
    stripped = batch._replace(target=others)
    if not spec.feedback:
        return stripped
    held = F.pad(batch.mask, (1, 0))[:, :-1]
    held = held if batch.input.dim() == 2 else held[..., None]
    return stripped._replace(input=torch.where(held, torch.zeros_like(batch.input), batch.input))


@PAIR_CONTRACTS.add
def gradients_are_finite(pair: Experiment) -> None:
    """The loss has a gradient in every parameter, finite, and not zero in all of them."""
    slopes = _slopes(pair)
    for name, slope in slopes.items():
        assert slope.isfinite().all(), f"the gradient of {name} is not finite"
    assert any(slope.any() for slope in slopes.values()), "the loss depends on no parameter"


def check_training(name: str, experiments: Iterable[Experiment]) -> None:
    """Hold a model to this: every parameter has a gradient that is not zero on one of its tasks.

    On some tasks there is none: where all inputs are zero, input weights do nothing.

    Raises:
        AssertionError: it names the parameters that are never trained.
    """
    silent: dict[str, bool] = {}
    for pair in experiments:
        for key, slope in _slopes(pair).items():
            silent[key] = silent.get(key, True) and not slope.any()
    never = [key for key, is_silent in silent.items() if is_silent]
    assert never == [], f"{name}: the loss depends on {', '.join(never)} on no task"


def _slopes(pair: Experiment) -> dict[str, Tensor]:
    """Add up the sizes of the gradients of three batches, for a symbol may be missing in one."""
    model = deepcopy(pair.model)
    slopes = {name: torch.zeros_like(value) for name, value in model.named_parameters()}
    for index in range(3):
        batch = pair.task.sample("train", index, ROWS)
        model.zero_grad()
        pair.task.loss(model.forward_training(batch, None, 0)[0], batch).backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, f"{name} has no gradient"
            slopes[name] += parameter.grad.abs()
    return slopes


@PAIR_CONTRACTS.add
def vmap_over_stacked_parameters_equals_the_members(pair: Experiment) -> None:
    """Several models as one, by `torch.func.vmap`, answer as each alone does."""
    batch = pair.task.sample("train", 0, ROWS)
    members = [_perturbed(pair.model, seed) for seed in (1, 2)]
    with readable(pair.model):
        parameters, buffers = stack_module_state(members)
        together = vmap(
            lambda p, b: functional_call(pair.model, (p, b), (batch,))[0], in_dims=(0, 0)
        )(parameters, buffers)
    for member, output in zip(members, together, strict=True):
        torch.testing.assert_close(output, member(batch)[0], rtol=1e-4, atol=1e-5)


def _perturbed(model: nn.Module, seed: int) -> nn.Module:
    member = deepcopy(model)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in member.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return member


@PAIR_CONTRACTS.add
def it_is_scored_and_shown(pair: Experiment) -> None:
    """Scores are numbers with a direction, the loss among them; samples can be shown."""
    batches = [pair.task.sample("val", index, ROWS) for index in range(2)]
    scores = evaluate(pair.model, pair.task, batches).compute()
    assert "loss" in scores
    for name, value in scores.items():
        assert isinstance(value, float), name
        assert pair.task.mode(name) in ("min", "max"), name
    answers = free_answers(pair.model, batch := pair.task.prompt(None, 2, None))
    assert isinstance(pair.task.show_answers(batch, answers), (str, Image.Image))
    with torch.no_grad():
        output, _ = pair.model(batches[0])
    assert isinstance(pair.task.show(batches[0], output), (str, Image.Image))


@PAIR_CONTRACTS.where(lambda pair: isinstance(pair.task.spec.target, Tokens))
def greedy_decoding_is_a_beam_of_one(pair: Experiment) -> None:
    """Of tokens, the likeliest answers and a beam search of width 1 are the same."""
    batch = pair.task.sample("test", 0, ROWS)
    answers, _ = beam_search(pair.model, batch, 1, None)
    greedy = free_answers(pair.model, batch)
    torch.testing.assert_close(answers[batch.mask], greedy[batch.mask])
