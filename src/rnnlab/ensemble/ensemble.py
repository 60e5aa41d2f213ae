"""N members between two updates, and what takes them from one to the next."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from math import isfinite
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rnnlab.ensemble.batches import Batches, answered_steps, member, pick
from rnnlab.ensemble.losses import losses_at_once
from rnnlab.ensemble.member import Member
from rnnlab.ensemble.optimizers import STACKED
from rnnlab.ensemble.rates import Rates
from rnnlab.ensemble.scoring import loss, metrics, score
from rnnlab.ensemble.snapshot import Snapshot, load
from rnnlab.ensemble.stacking import Stacked
from rnnlab.ensemble.unroll import answers_steps
from rnnlab.models.base import Model
from rnnlab.spec import Batch
from rnnlab.training.stopping import divergence_message


class Divergence(NamedTuple):
    """A member that has diverged: its place in the group, and what is not finite."""

    n: int
    message: str


class Members:
    """Members that train as one.

    Args:
        members: all at the same update.

    Attributes:
        members: those that still train; everything else here has them in this order.
        step: updates done.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        lead = members[0]
        self.members = list(members)
        self.training = lead.experiment.training
        self.task = lead.experiment.task
        self.total = lead.total_steps
        self.step = lead.saved_step
        self.stacked = Stacked([m.experiment.model for m in members])
        self.optimizer = STACKED[lead.optimizer_class]([m.param_group for m in members])
        self.rates = Rates(
            lead.make_scheduler,
            [m.experiment.cfg.optimizer.lr for m in members],
            self.total,
            lead.experiment.mode,
        )
        self._loss: Tensor | None = None
        self._losses_added = 0
        self._last_loss = torch.full((len(members),), torch.nan)
        self._clock = _Clock()
        self._steps_since, self._symbols_since = 0, 0
        if lead.saved is not None:
            self._loss, self._losses_added = load(members, self.stacked, self.optimizer, self.rates)
        self._regroup()

    def update(self) -> list[Divergence]:
        """Take one step of training; gives the members whose loss or gradient is not finite."""
        batch = self._batches.train(self.step)
        logged = (self.step + 1) % self.training.log_every == 0 or self.step + 1 == self.total
        picks = self._picks and (self.task.stepwise or not logged)
        steps = answered_steps(batch) if picks else None
        wanted = pick(batch, steps)
        flat = self.stacked.flat.requires_grad_()
        losses, output = self._answer(flat, wanted, steps, shown=logged)
        (grad,) = torch.autograd.grad(losses.sum(), flat)
        losses = losses.detach()
        flat.requires_grad_(False)
        norms = grad.norm(dim=1)
        grad.mul_((self._limits / (norms + 1e-6)).clamp_(max=1.0)[:, None])
        self.optimizer.update(flat, grad, self.rates.now)
        self.rates.after_update()
        self.step += 1
        self._steps_since += 1
        self._symbols_since += batch.mask.shape[-2] * batch.mask.shape[-1]
        trouble = self._not_finite({"the training loss": losses, "the gradient's norm": norms})
        self._loss = losses if self._loss is None else self._loss + losses
        self._losses_added += 1
        self._last_loss = losses
        if logged:
            assert output is not None
            self._log(output.detach(), wanted, norms)
        return trouble

    def validate(self) -> list[Divergence]:
        """Score all, and keep the weights that are best; gives the members that have diverged."""
        scores = score(self.stacked, self.stacked.flat, [m.experiment for m in self.members], "val")
        values = [{f"val/{name}": v for name, v in one.values.items()} for one in scores]
        found = torch.tensor([row["val/loss"] for row in values])
        trouble = self._not_finite({"the validation loss": found})
        monitored = [
            row[m.experiment.cfg.monitor] for m, row in zip(self.members, values, strict=True)
        ]
        for n, m in enumerate(self.members):
            if all(n != bad.n for bad in trouble):
                m.log(values[n], self.step)
                m.scores = values[n]
                m.best.add(monitored[n], self.step, partial(self._weights, n))
        self.rates.after_validation(monitored)
        self._restart_clock()
        return trouble

    def _weights(self, n: int) -> dict[str, Tensor]:
        split = self.stacked.split(self.stacked.flat[n])
        return {f"model.{name}": value for name, value in split.items()}

    def snapshot(self) -> Snapshot:
        """Copy all that checkpoints are made of."""
        return Snapshot.take(
            self.step,
            self.stacked.flat,
            self.optimizer,
            self.rates,
            self._loss,
            self._losses_added,
            self._clock.shares(len(self.members)),
        )

    def keep(self, chosen: Sequence[int]) -> None:
        """Go on with some of the members alone: the others cost nothing any more."""
        self._clock.shares(len(self.members))
        rows = list(chosen)
        self.members = [self.members[n] for n in rows]
        self.stacked.flat = self.stacked.flat[rows]
        self.optimizer.keep(rows)
        self.rates.keep(rows)
        self._loss = None if self._loss is None else self._loss[rows]
        self._last_loss = self._last_loss[rows]
        if rows:
            self._regroup()

    def _regroup(self) -> None:
        """Make what depends on who is there."""
        self._batches = Batches([m.experiment for m in self.members])
        limits = [m.experiment.training.clip_norm for m in self.members]
        self._limits = torch.tensor([torch.inf if c is None else c for c in limits])
        self._picks = answers_steps(self.stacked.model)

    def _answer(
        self, flat: Tensor, batch: Batch, steps: Sequence[int] | None, *, shown: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Give the losses, and the outputs if they are to be shown."""
        given: dict[str, Any] = {"shared": self._batches.shared, "steps": steps}
        losses = losses_at_once(self.stacked, flat, self.task, batch, **given)
        if losses is None:
            return self.stacked(self._loss_and_output, flat, batch, **given)
        with torch.no_grad():
            return losses, self.stacked(self._output, flat, batch, **given) if shown else None

    def _output(self, model: Model, batch: Batch) -> Tensor:
        return model.forward_training(batch, None, self.step)[0]

    def _loss_and_output(self, model: Model, batch: Batch) -> tuple[Tensor, Tensor]:
        output = self._output(model, batch)
        return loss(self.task, output, batch), output

    def _not_finite(self, quantities: dict[str, Tensor]) -> list[Divergence]:
        """Say of each member whether a number is none, as `DivergenceCheck` does."""
        if isfinite(sum(float(values.sum()) for values in quantities.values())):
            return []  # one that is not finite makes the sum so
        found: dict[int, str] = {}
        for name, values in quantities.items():
            for n in (~torch.isfinite(values)).nonzero().flatten().tolist():
                if n not in found:
                    found[n] = divergence_message(
                        name,
                        float(values[n]),
                        self.step,
                        float(self._last_loss[n]),
                        learning_rate=self.rates.now[n],
                        clip_norm=self.members[n].experiment.training.clip_norm,
                        precision="32-true",
                    )
        return [Divergence(n, error) for n, error in found.items()]

    @torch.no_grad()
    def _log(self, output: Tensor, batch: Batch, norms: Tensor) -> None:
        """Give each member the row that `Telemetry` would."""
        assert self._loss is not None
        rows = self._metrics(output, batch)
        means = (self._loss / self._losses_added).tolist()
        seconds = self._clock.since_restart()
        speed = {
            "time/steps_per_second": self._steps_since / seconds,
            "time/symbols_per_second": self._symbols_since / seconds,
        }
        for n, (m, row) in enumerate(zip(self.members, rows, strict=True)):
            row["loss"] = means[n]
            row |= {"grad_norm": float(norms[n]), "learning_rate": self.rates.now[n]}
            m.log({f"train/{name}": value for name, value in row.items()} | speed, self.step)
        self._loss, self._losses_added = None, 0
        self._restart_clock()

    def _metrics(self, output: Tensor, batch: Batch) -> list[dict[str, float]]:
        shared = self._batches.shared
        found = metrics(self.task, output, batch, shared=shared)
        if found is not None:
            columns = {name: mean.value.tolist() for name, mean in found.items()}
            return [
                {name: values[n] for name, values in columns.items()}
                for n in range(len(self.members))
            ]
        return [
            {
                name: float(mean.value)
                for name, mean in self.task.metrics(
                    output[n], member(batch, n, shared=shared)
                ).items()
            }
            for n in range(len(self.members))
        ]

    def _restart_clock(self) -> None:
        self._clock.restart()
        self._steps_since, self._symbols_since = 0, 0


class _Clock:
    """Measures speed since the last row, and each member's equal share of all time spent."""

    def __init__(self) -> None:
        self._read: dict[str, Callable[[], float]] = {
            "seconds": time.perf_counter,
            "cpu_seconds": time.process_time,
        }
        self._at = {name: read() for name, read in self._read.items()}
        self._shares = dict.fromkeys(self._read, 0.0)
        self.restart()

    def restart(self) -> None:
        self._restarted = time.perf_counter()

    def since_restart(self) -> float:
        return max(time.perf_counter() - self._restarted, 1e-9)

    def shares(self, members: int) -> dict[str, float]:
        """Give each member's share so far, with `members` of them since this was last asked."""
        for name, read in self._read.items():
            now = read()
            self._shares[name] += (now - self._at[name]) / max(members, 1)
            self._at[name] = now
        return dict(self._shares)
