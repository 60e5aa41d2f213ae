"""Whether models whose classes declare nothing can be stacked: tried, and compared one by one."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import NamedTuple

import torch
from omegaconf import DictConfig
from torch import Tensor

from rnnlab.ensemble.batches import stack
from rnnlab.ensemble.draws import Draws
from rnnlab.ensemble.scoring import loss
from rnnlab.ensemble.stacked_model import StackedModel, flat_parameters
from rnnlab.errors import ConfigError
from rnnlab.experiment.experiment import Experiment
from rnnlab.inference.generate import free_run, reads_answers
from rnnlab.models.base import Model
from rnnlab.process.arithmetic import arithmetic
from rnnlab.process.global_state import global_state_restored
from rnnlab.random_streams import seed_globals, torch_generator
from rnnlab.spec import Batch
from rnnlab.spelling import first_line
from rnnlab.tasks.base import Task

_UPDATES = 2  # that are compared; what is kept from one to the next shows in the second
_RELATIVE, _ABSOLUTE = 1e-3, 1e-5  # tolerances


class _Seen(NamedTuple):
    """What one way computes: of each update the loss and the gradient, then the evaluation."""

    parts: list[Tensor]


def why_not_stackable(cfgs: Sequence[DictConfig]) -> str | None:
    """Return why two runs can't be members of a group, or `None` if they can.

    Args:
        cfgs: their configs, which differ in settings that may differ in a group.
    """
    with global_state_restored(), arithmetic({"threads": 1}):
        try:
            experiments = [Experiment.assemble(cfg) for cfg in cfgs]
            problem = next(_problems([one.model for one in experiments]), None)
            return problem or _compare(experiments)
        except ConfigError:
            return None  # each is refused when it is run
        except Exception as error:  # whatever somebody's code raises, or `vmap` inside it
            return f"vmap can't compute it: {first_line(error)}"


def _problems(models: Sequence[Model]) -> Iterator[str]:
    if any(not p.requires_grad for model in models for p in model.parameters()):
        yield "it has parameters that are not trained"
    buffers = [dict(model.named_buffers()) for model in models]
    for name, buffer in buffers[0].items():
        if any(not buffer.equal(other[name]) for other in buffers[1:]):
            yield f"its buffer {name} differs from run to run"


def _compare(experiments: Sequence[Experiment]) -> str | None:
    task = experiments[0].task
    batches = [[one.data.train(index) for one in experiments] for index in range(_UPDATES)]
    held_out = task.sample("val", 0, 2)  # one for all: batches of other lengths would be padded
    together = _together([one.model for one in experiments], experiments, task, batches, held_out)
    for n, one in enumerate(experiments):
        before = {name: buffer.clone() for name, buffer in one.model.named_buffers()}
        seed_globals(one.cfg.seed, "training")
        alone = _alone(one.model, task, [batch[n] for batch in batches], held_out)
        if alone is None:
            return "it has parameters without a gradient"
        if any(not before[name].equal(value) for name, value in one.model.named_buffers()):
            return "its buffers change while it trains"
        for wanted, found in zip(alone.parts, together[n].parts, strict=True):
            if wanted.shape != found.shape or not wanted.allclose(found, _RELATIVE, _ABSOLUTE):
                return "vmap computes something else than the model"
    return None


def _alone(model: Model, task: Task, batches: Sequence[Batch], held_out: Batch) -> _Seen | None:
    """Return what a model computes alone; `None` if a parameter has no gradient."""
    parts: list[Tensor] = []
    model.train()
    for step, batch in enumerate(batches):
        model.zero_grad()
        value = task.loss(model.forward_training(batch, None, step)[0], batch)
        value.backward()
        if any(p.grad is None for p in model.parameters()):
            return None
        gradients = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
        parts += [value.detach(), torch.cat(gradients)]
    model.eval()
    with torch.no_grad():
        parts.append(_evaluated(model, held_out))
    return _Seen(parts)


def _together(
    models: Sequence[Model],
    experiments: Sequence[Experiment],
    task: Task,
    batches: Sequence[Sequence[Batch]],
    held_out: Batch,
) -> list[_Seen]:
    stacked = StackedModel(models)
    stacked.model.train()
    draws = None
    if stacked.model.draws:
        seeds = [one.cfg.seed for one in experiments]
        draws = Draws([torch_generator(seed, "training") for seed in seeds])
    columns: list[Tensor] = []
    for step, own in enumerate(batches):
        flat = torch.stack([flat_parameters(model) for model in models]).requires_grad_()

        def value(model: Model, batch: Batch, step: int = step) -> Tensor:
            return loss(task, model.forward_training(batch, None, step)[0], batch)

        with nullcontext() if draws is None else draws.used_by(stacked.model):
            losses = stacked(value, flat, stack(own), shared=False)
        (gradient,) = torch.autograd.grad(losses.sum(), flat)
        columns += [losses.detach(), gradient]
    stacked.model.eval()
    with torch.no_grad():
        columns.append(stacked(_evaluated, flat.detach(), held_out, shared=True))
    return [_Seen([column[n] for column in columns]) for n in range(len(models))]


def _evaluated(model: Model, batch: Batch) -> Tensor:
    """Return the outputs under teacher forcing, and free running where that differs."""
    outputs = [model(batch)[0]]
    return torch.stack([*outputs, free_run(model, batch)] if reads_answers(model) else outputs)
