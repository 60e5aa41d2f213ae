"""Copies of the training state of all members, and their checkpoints."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rnnlab.config.plain import plain
from rnnlab.ensemble.member import Member
from rnnlab.ensemble.optimizers import StackedOptimizer
from rnnlab.ensemble.scheduler import StackedScheduler
from rnnlab.ensemble.stacked_model import StackedModel
from rnnlab.process.global_state import random_states
from rnnlab.random_streams import seed_globals


@dataclass(frozen=True)
class Snapshot:
    """A copy of the training state of N members between two updates.

    Attributes:
        step: updates done.
        flat: `(N, P)` parameters.
        optimizer: with its states.
        schedulers: each member's scheduler state and learning rate.
        loss: `(N,)` sum of losses since the last logged row, or `None` if there are none.
        num_losses: how many losses are in the sum.
        time_spent: each member's share of the time of this session.
        carried: the tensors `(N, B, ...)` of the state that is carried to the next batch, or
            `None`.
        random: the state of each member's generator, or `None` if nothing is drawn.
    """

    step: int
    flat: Tensor
    optimizer: StackedOptimizer
    schedulers: list[tuple[dict[str, Any], float]]
    loss: Tensor | None
    num_losses: int
    time_spent: dict[str, float]
    carried: list[Tensor] | None
    random: list[Tensor] | None

    def keep(self, members: Sequence[int]) -> "Snapshot":
        """Return the snapshot of these members only."""
        rows = list(members)
        optimizer = self.optimizer.copy()
        optimizer.keep(rows)
        return replace(
            self,
            flat=self.flat[rows],
            optimizer=optimizer,
            schedulers=[self.schedulers[n] for n in rows],
            loss=None if self.loss is None else self.loss[rows],
            carried=None if self.carried is None else [leaf[rows] for leaf in self.carried],
            random=None if self.random is None else [self.random[n] for n in rows],
        )

    def checkpoint(self, n: int, member: Member, stacked: StackedModel) -> dict[str, Any]:
        """Return a member's checkpoint, as Lightning and our callbacks write it for a single run.

        Args:
            n: position of the member in the stack.
            member: the member.
            stacked: gives the names and shapes of the parameters.
        """
        weights = stacked.split(self.flat[n])
        states = {
            name: stacked.split(value) for name, value in self.optimizer.member_state(n).items()
        }
        # One tensor per parameter, since torch's optimizers count in place.
        counts = ["step"] if self.optimizer.counts_updates else []
        by_parameter = {
            i: {
                **{key: torch.tensor(float(self.step)) for key in counts},
                **{key: values[name].clone() for key, values in states.items()},
            }
            for i, name in enumerate(weights)
            if counts or states
        }
        scheduler, learning_rate = self.schedulers[n]
        group = {**member.param_group, "lr": learning_rate}
        cfg = member.experiment.cfg
        # Members draw nothing from the global generators.
        seed_globals(cfg.seed, "training", devices=cfg.trainer.accelerator != "cpu")
        random = random_states()
        if self.random is not None:
            random["torch"] = self.random[n]
        carried = None if self.carried is None else [leaf[n].clone() for leaf in self.carried]
        return {
            "global_step": self.step,
            "pytorch-lightning_version": version("lightning"),
            "state_dict": {f"model.{name}": value.clone() for name, value in weights.items()},
            "callbacks": {
                "Telemetry": {
                    "loss": [None if self.loss is None else self.loss[n].clone()],
                    "batches": self.num_losses,
                }
            },
            "optimizer_states": [{"state": by_parameter, "param_groups": [group]}],
            "lr_schedulers": [scheduler],
            "best": member.best.state(),
            "costs": {
                name: value + self.time_spent[name] for name, value in member.time_before.items()
            },
            "config": plain(cfg),
            "written": member.log_state(self.step),
            "processes": [{"carried": carried, "random": random}],
        }


class Restored(NamedTuple):
    """What checkpoints hold besides the states of model, optimizer and scheduler.

    Attributes:
        loss: `(N,)` sum of losses since the last logged row, or `None` if there are none.
        num_losses: how many losses are in the sum.
        carried: as in `Snapshot`.
        random: the state of each member's generator.
    """

    loss: Tensor | None
    num_losses: int
    carried: list[Tensor] | None
    random: list[Tensor]


def load_checkpoints(
    members: Sequence[Member],
    stacked: StackedModel,
    optimizer: StackedOptimizer,
    scheduler: StackedScheduler,
) -> Restored:
    """Restore the training state from checkpoints of all members at the same update."""
    contents = [member.resumed_from for member in members if member.resumed_from is not None]
    rows, states = [], []
    for content in contents:
        rows.append(torch.cat([value.flatten() for value in content["state_dict"].values()]))
        parameters = content["optimizer_states"][0]["state"].values()
        names = [name for name in next(iter(parameters), {}) if name != "step"]
        states.append(
            {name: torch.cat([state[name].flatten() for state in parameters]) for name in names}
        )
    device = stacked.flat.device
    stacked.flat = torch.stack(rows).to(device)
    optimizer.load(states, contents[0]["global_step"], device)
    groups = [content["optimizer_states"][0]["param_groups"][0] for content in contents]
    scheduler.load([c["lr_schedulers"][0] for c in contents], [group["lr"] for group in groups])
    telemetry = [content["callbacks"]["Telemetry"] for content in contents]
    losses = [state["loss"][0] for state in telemetry]
    loss = None if losses[0] is None else torch.stack(losses)
    processes = [content["processes"][0] for content in contents]
    carried = None
    if processes[0]["carried"] is not None:
        leaves = zip(*(process["carried"] for process in processes), strict=True)
        carried = [torch.stack(parts) for parts in leaves]
    random = [process["random"]["torch"] for process in processes]
    return Restored(loss, telemetry[0]["batches"], carried, random)
