"""Where a group is between two updates, and each member's part of it as a lone run's checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import torch
from omegaconf import OmegaConf
from torch import Tensor

from rnnlab.ensemble.member import Member
from rnnlab.ensemble.optimizers import StackedOptimizer
from rnnlab.ensemble.rates import Rates
from rnnlab.ensemble.stacking import Stacked
from rnnlab.process.global_state import random_states
from rnnlab.random_streams import seed_globals


@dataclass(frozen=True)
class Snapshot:
    """All of a group that its members' checkpoints are made of.

    Attributes:
        step: updates done.
        flat: `(N, P)` weights.
        optimizer: with its states.
        rates: of each member, the state of its schedule and its rate.
        loss: `(N,)` the sum of losses since the last row, or `None` where there is none.
        batches: how many losses these are.
        costs: each member's share of the time spent in this session.
    """

    step: int
    flat: Tensor
    optimizer: StackedOptimizer
    rates: list[tuple[dict[str, Any], float]]
    loss: Tensor | None
    batches: int
    costs: dict[str, float]

    @classmethod
    def take(
        cls,
        step: int,
        flat: Tensor,
        optimizer: StackedOptimizer,
        rates: Rates,
        loss: Tensor | None,
        batches: int,
        costs: dict[str, float],
    ) -> "Snapshot":
        """Copy what goes on changing."""
        states = [(rates.state_of(n), rate) for n, rate in enumerate(rates.now)]
        copy = None if loss is None else loss.clone()
        return cls(step, flat.clone(), optimizer.copy(), states, copy, batches, costs)

    def keep(self, members: Sequence[int]) -> "Snapshot":
        """Give that of some of the members alone."""
        chosen = list(members)
        optimizer = self.optimizer.copy()
        optimizer.keep(chosen)
        return replace(
            self,
            flat=self.flat[chosen],
            optimizer=optimizer,
            rates=[self.rates[n] for n in chosen],
            loss=None if self.loss is None else self.loss[chosen],
        )

    def checkpoint(self, n: int, member: Member, stacked: Stacked) -> dict[str, Any]:
        """Lay out all that a run alone needs to go on, as Lightning and our callbacks do."""
        weights = stacked.split(self.flat[n])
        states = {name: stacked.split(value) for name, value in self.optimizer.state_of(n).items()}
        # A tensor for each parameter: torch counts in it, and one for all would count them all.
        counts = ["step"] if self.optimizer.counts_updates else []
        by_parameter = {
            i: {
                **{key: torch.tensor(float(self.step)) for key in counts},
                **{key: values[name].clone() for key, values in states.items()},
            }
            for i, name in enumerate(weights)
            if counts or states
        }
        schedule, rate = self.rates[n]
        group = {**member.param_group, "lr": rate}
        cfg = member.experiment.cfg
        seed_globals(cfg.seed, "training")  # a member draws nothing from there
        return {
            "global_step": self.step,
            "pytorch-lightning_version": version("lightning"),
            "state_dict": {f"model.{name}": value.clone() for name, value in weights.items()},
            "callbacks": {
                "Telemetry": {
                    "loss": [None if self.loss is None else self.loss[n].clone()],
                    "batches": self.batches,
                }
            },
            "optimizer_states": [{"state": by_parameter, "param_groups": [group]}],
            "lr_schedulers": [schedule],
            "best": member.best.state(),
            "costs": {name: value + self.costs[name] for name, value in member.costs.items()},
            "config": OmegaConf.to_container(cfg, resolve=True),
            "written": member.written(self.step),
            "processes": [{"carried": None, "random": random_states()}],
        }


def load(
    members: Sequence[Member], stacked: Stacked, optimizer: StackedOptimizer, rates: Rates
) -> tuple[Tensor | None, int]:
    """Go on from the members' checkpoints; gives the losses since the last row, and their number.

    Args:
        members: all with a checkpoint of the same update.
        stacked: takes their weights.
        optimizer: takes its states.
        rates: takes the states of the schedules.
    """
    contents = [member.saved for member in members if member.saved is not None]
    rows, states = [], []
    for content in contents:
        rows.append(torch.cat([value.flatten() for value in content["state_dict"].values()]))
        parameters = content["optimizer_states"][0]["state"].values()
        names = [name for name in next(iter(parameters), {}) if name != "step"]
        states.append(
            {name: torch.cat([state[name].flatten() for state in parameters]) for name in names}
        )
    stacked.flat = torch.stack(rows)
    optimizer.load(states, contents[0]["global_step"])
    groups = [content["optimizer_states"][0]["param_groups"][0] for content in contents]
    rates.load([c["lr_schedulers"][0] for c in contents], [group["lr"] for group in groups])
    telemetry = [content["callbacks"]["Telemetry"] for content in contents]
    losses = [state["loss"][0] for state in telemetry]
    loss = None if losses[0] is None else torch.stack(losses)
    return loss, telemetry[0]["batches"]
