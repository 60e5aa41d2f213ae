"""Optimizers that update all parameters in one call."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks

_FUSED = (Adam, AdamW, SGD)
"""Optimizers of torch with one kernel for all parameters, on CPU and CUDA."""


def take_fused_steps(optimizer: Optimizer) -> None:
    """Let an optimizer of torch compute an update of all parameters at once, where it can.

    The equations are the same, so the numbers are the same to rounding; the update of a small net
    takes a third of the time. Whether it does so is part of the optimizer's state: a run that began
    without it is resumed without it, bit for bit.
    """
    for group in optimizer.param_groups:
        if group.get("fused") is not None or group.get("foreach") is not None:
            continue
        if group.get("differentiable") or not all(map(_is_plain, group["params"])):
            continue
        if type(optimizer) in _FUSED:
            group["fused"] = True
        elif type(optimizer) is RMSprop:
            group["foreach"] = True


def _is_plain(parameter: torch.Tensor) -> bool:
    return parameter.is_floating_point() and parameter.device.type in ("cpu", "cuda")


def plain_step(optimizer: Optimizer) -> Callable[[], Any]:
    """Return an optimizer's step without what torch wraps around its own, if nobody needs that.

    It enters profiles and calls hooks, and takes as long as the steps of a small net themselves.
    """
    hooks = (
        optimizer._optimizer_step_pre_hooks,
        optimizer._optimizer_step_post_hooks,
        _global_optimizer_pre_hooks,
        _global_optimizer_post_hooks,
    )
    if any(hooks) or not type(optimizer).__module__.startswith("torch.optim."):
        return optimizer.step
    optimizer._opt_called = True  # type: ignore[attr-defined]  # as schedulers' own wrapper does
    step = partial(inspect.unwrap(type(optimizer).step), optimizer)
    return torch.no_grad()(_FusedAdam(optimizer, step) if _FusedAdam.takes(optimizer) else step)


class _FusedAdam:
    """The fused step of Adam or AdamW on a CPU, from lists of tensors that are made once.

    Torch makes them for each step, which takes longer than the step of a small net.

    Args:
        optimizer: one that `takes` allows.
        step: its own, which makes the states.
    """

    def __init__(self, optimizer: Optimizer, step: Callable[[], Any]) -> None:
        self._optimizer, self._step = optimizer, step
        self._states: tuple[list[torch.Tensor], ...] | None = None
        self._of: Any = None  # the optimizer's states that these are; loading a state replaces them
        self._update = torch._fused_adamw_ if type(optimizer) is AdamW else torch._fused_adam_

    @staticmethod
    def takes(optimizer: Optimizer) -> bool:
        """Whether an optimizer is one."""
        group, *others = optimizer.param_groups
        return (
            type(optimizer) in (Adam, AdamW)
            and not others
            and bool(group["fused"])
            and not group["amsgrad"]
            and all(p.is_cpu and p.dtype == group["params"][0].dtype for p in group["params"])
        )

    def __call__(self) -> None:
        """Take a step."""
        (group,), state = self._optimizer.param_groups, self._optimizer.state
        parameters: list[torch.Tensor] = group["params"]
        grads = [p.grad for p in parameters if p.grad is not None]
        if self._of is not state or len(grads) < len(parameters):
            self._step()
            states = [state[parameter] for parameter in parameters]
            if all(states):
                names = ("exp_avg", "exp_avg_sq", "step")
                self._states = tuple([each[name] for each in states] for name in names)
                self._of = state
            return
        assert self._states is not None
        means, squares, steps = self._states
        torch._foreach_add_(steps, 1)
        self._update(
            parameters,
            grads,
            means,
            squares,
            [],
            steps,
            lr=group["lr"],
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=False,
            maximize=group["maximize"],
        )
