"""The members that train as one batched model, and their updates and validations."""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from rnnlab.ensemble.batches import Part, member_batch
from rnnlab.ensemble.draws import Draws
from rnnlab.ensemble.feed import Fed, Feed
from rnnlab.ensemble.member import Member
from rnnlab.ensemble.optimizers import STACKED_OPTIMIZERS
from rnnlab.ensemble.scheduler import StackedScheduler
from rnnlab.ensemble.scoring import loss, score, selects_steps, stacked_metrics
from rnnlab.ensemble.snapshot import Restored, Snapshot, load_checkpoints
from rnnlab.ensemble.stacked_model import StackedModel
from rnnlab.inference.evaluate import state_before
from rnnlab.kernels.gpu.graphs import Graphs
from rnnlab.models.answers import select_steps
from rnnlab.models.base import Model
from rnnlab.models.kernel_loss import has_kernel_loss, kernel_loss
from rnnlab.models.stream import Stream
from rnnlab.process.clocks import clocks
from rnnlab.random_streams import torch_generator
from rnnlab.spec import Batch
from rnnlab.state import State, detach, leaves, like, map_state
from rnnlab.training.stopping import divergence_message

_LOSS = "the training loss"


class Divergence(NamedTuple):
    """A member whose loss or gradient is not finite: its position, and the error message."""

    n: int
    message: str


class Ensemble:
    """N members whose updates are computed together.

    Args:
        members: all at the same update.

    Attributes:
        members: those that still train, in the order of the stacked tensors.
        device: where they train.
        step: updates done.
        total: updates of the whole run.
        last_loss: `(N,)`, the losses of the last update that was checked.
        symbols_per_update: how many symbols all members read in the last update.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        first = members[0]
        self.members = list(members)
        self.training = first.experiment.training
        self.task = first.experiment.task
        self.total = first.total_steps
        self.step = first.saved_step
        self.device = self.training.device
        self.stacked = StackedModel([m.experiment.model for m in members], self.device)
        self.optimizer = STACKED_OPTIMIZERS[first.optimizer_class]([m.param_group for m in members])
        self.scheduler = StackedScheduler(
            first.make_scheduler,
            [m.experiment.cfg.optimizer.lr for m in members],
            self.total,
            first.experiment.mode,
        )
        self._loss: Tensor | None = None
        self._num_losses = 0
        self.last_loss = torch.full((len(members),), torch.nan)
        self._unchecked: list[tuple[int, dict[str, Tensor]]] = []
        self.symbols_per_update = 0
        self._clock = _Clock()
        self._steps_since, self._symbols_since = 0, 0
        self._carried: State | None = None
        self._draws: Draws | None = None
        if self.stacked.model.draws:
            seeds = [m.experiment.cfg.seed for m in members]
            self._draws = Draws([torch_generator(seed, "training") for seed in seeds])
        if first.resumed_from is not None:
            self._restore(load_checkpoints(members, self.stacked, self.optimizer, self.scheduler))
        self._feed = self._new_feed()
        self._set_up()

    def _restore(self, restored: Restored) -> None:
        self._loss, self._num_losses = restored.loss, restored.num_losses
        if self._loss is not None:
            self._loss = self._loss.to(self.device)
        if self._draws is not None:
            self._draws.load(restored.random)
        if restored.carried is not None:
            empty = Batch(*(torch.zeros(restored.carried[0].shape[1], 0),) * 3)
            template = self.members[0].experiment.model.begin(empty)
            self._carried = like(template, [leaf.to(self.device) for leaf in restored.carried])

    def update(self) -> list[Divergence]:
        """Update all members once; return those whose loss or gradient is not finite.

        On the CPU each update is checked; on a GPU, as in single runs, those that are logged or
        before a validation, with all updates since the last check.
        """
        fed = self._feed(self.step)
        parts = [one.part for one in fed]
        logged = (self.step + 1) % self.training.log_every == 0 or self.step + 1 == self.total
        self.optimizer.begin(self.stacked.flat, self.scheduler.learning_rates)
        computed: list[_Computed] = []
        if self.device.type == "cuda" and not logged and self._can_record(parts):
            losses, norms = self._recorded_update(fed[0])
        else:
            computed, losses, norms = self._update(fed, logged=logged)
        self.scheduler.after_update()
        self.step += 1
        self._steps_since += 1
        mask = parts[0].batch.mask
        symbols = mask.shape[-2] * mask.shape[-1]
        self._symbols_since += symbols
        self.symbols_per_update = symbols * len(self.members)
        quantities = {_LOSS: losses, "the gradient's norm": norms}
        self._unchecked.append((self.step, quantities))
        check = logged or self.device.type == "cpu" or self.step % self.training.val_every == 0
        diverged = self.check() if check else []
        self._loss = losses if self._loss is None else self._loss + losses
        self._num_losses += 1
        if logged:
            rows = [self._metrics(one) for one in computed]
            self._log(self._join_rows(rows, parts), norms)
        return diverged

    def _update(
        self, fed: Sequence[Fed], *, logged: bool
    ) -> tuple[list["_Computed"], Tensor, Tensor]:
        """Update all members in place; return also their losses and the norms of gradients."""
        parts = [one.part for one in fed]
        flat = self.stacked.flat.requires_grad_()
        computed = [self._compute(flat, one, logged=logged) for one in fed]
        losses = self._join([one.losses for one in computed], parts)
        (grad,) = torch.autograd.grad(losses.sum(), flat)
        self._carry([one.state for one in computed], parts)
        flat.requires_grad_(False)
        norms = grad.norm(dim=1)
        grad.mul_((self._limits / (norms + 1e-6)).clamp_(max=1.0)[:, None])
        self.optimizer.apply(flat, grad)
        return computed, losses.detach(), norms

    def _recorded_update(self, fed: Fed) -> tuple[Tensor, Tensor]:
        """Update all members in place, as `_update`, by a CUDA graph."""

        def update(tensors: Sequence[Tensor | None]) -> tuple[Tensor, Tensor]:
            own = fed._replace(part=fed.part._replace(batch=Batch._make(tensors)))
            return self._update([own], logged=False)[1:]

        losses, norms = self._graphs(update, fed.part.batch, fed.answered)
        assert losses is not None
        assert norms is not None
        return losses.clone(), norms.clone()

    def _can_record(self, parts: Sequence[Part]) -> bool:
        """Whether nothing but the parameters stays from one update to the next."""
        return self._draws is None and parts[0].batch.first is None

    def validate(self) -> list[Divergence]:
        """Score all members and keep their best weights; return those that have diverged."""
        scores = score(self.stacked, self.stacked.flat, [m.experiment for m in self.members], "val")
        rows = [{f"val/{name}": v for name, v in one.metrics.items()} for one in scores]
        losses = torch.tensor([row["val/loss"] for row in rows])
        self._unchecked.append((self.step, {"the validation loss": losses}))
        diverged = self.check()
        monitored = [
            row[m.experiment.cfg.monitor] for m, row in zip(self.members, rows, strict=True)
        ]
        flat = self.stacked.flat.cpu()
        for n, m in enumerate(self.members):
            if all(n != divergence.n for divergence in diverged):
                m.log(rows[n], self.step)
                m.scores = rows[n]
                m.best.add(monitored[n], self.step, partial(self._weights, flat, n))
        self.scheduler.after_validation(monitored)
        self._restart_clock()
        return diverged

    def _weights(self, flat: Tensor, n: int) -> dict[str, Tensor]:
        split = self.stacked.split(flat[n])
        return {f"model.{name}": value for name, value in split.items()}

    def snapshot(self) -> Snapshot:
        """Copy the training state of all members, to the CPU."""
        rates = self.scheduler.learning_rates
        return Snapshot(
            self.step,
            _copy(self.stacked.flat),
            self.optimizer.copy(),
            [(self.scheduler.member_state(n), rate) for n, rate in enumerate(rates)],
            None if self._loss is None else _copy(self._loss),
            self._num_losses,
            self._clock.time_share(len(self.members)),
            None if self._carried is None else [leaf.cpu() for leaf in leaves(self._carried)],
            None if self._draws is None else self._draws.states(),
        )

    def keep(self, members: Sequence[int]) -> None:
        """Drop all members but these, so that the others cost no time."""
        self._clock.time_share(len(self.members))
        rows = list(members)
        self.members = [self.members[n] for n in rows]
        self.stacked.flat = self.stacked.flat[rows]
        self.optimizer.keep(rows)
        self.scheduler.keep(rows)
        self._loss = None if self._loss is None else self._loss[rows]
        self.last_loss = self.last_loss[rows]
        self._unchecked = [
            (step, {name: numbers[rows] for name, numbers in quantities.items()})
            for step, quantities in self._unchecked
        ]
        self._draws = None if self._draws is None else self._draws.of(rows)
        if self._carried is not None:
            self._carried = map_state(lambda leaf: leaf[rows], self._carried)
        if rows:
            if not self._feed.keeps(rows):
                self._feed = self._new_feed()
            self._set_up()

    def _set_up(self) -> None:
        """Make what depends on the present members."""
        limits = [m.experiment.training.clip_norm for m in self.members]
        self._limits = torch.tensor(
            [torch.inf if c is None else c for c in limits], device=self.device
        )
        self._can_select = selects_steps(self.stacked.model)
        self._graphs = Graphs()

    def _new_feed(self) -> Feed:
        experiments = [m.experiment for m in self.members]
        unpadded = self._draws is not None
        return Feed(experiments, self.device, self.total, unpadded=unpadded)

    def _compute(self, flat: Tensor, fed: Fed, *, logged: bool) -> "_Computed":
        """Compute the losses of some members, and what a logged row needs."""
        members, batch = fed.part
        carries = batch.first is not None
        # Metrics of some tasks need the outputs of every step, and so does the last state.
        select = self._can_select and not carries and (self.task.stepwise or not logged)
        steps = fed.answered if select else None
        selected = select_steps(batch, steps)
        options: dict[str, Any] = {"shared": self._feed.shared, "steps": steps}
        own = flat if members is None else flat[members]
        before = () if self._carried is None or not carries else (_rows(self._carried, members),)
        by_kernel = self.task.plain_loss and has_kernel_loss(self.stacked.model, selected)
        if self._draws is None and by_kernel:
            loss = partial(self._kernel_loss, carries, steps)
            losses, *state = self.stacked(loss, own, selected, *before, **options)
            output = None
            if logged:
                with torch.no_grad():
                    output = self.stacked(self._output, own, selected, *before, **options)
            return _Computed(losses, output, selected, detach(state[0]) if carries else None)
        draws = self._draws if self._draws is None or members is None else self._draws.of(members)
        length = batch.mask.shape[-1]
        with nullcontext() if draws is None else draws.used_by(self.stacked.model, steps, length):
            losses, output, *state = self.stacked(
                partial(self._loss_and_output, carries), own, selected, *before, **options
            )
        return _Computed(losses, output, selected, detach(state[0]) if carries else None)

    @staticmethod
    def _kernel_loss(
        carries: bool,
        steps: Sequence[int] | None,
        model: Stream,
        batch: Batch,
        before: State | None = None,
    ) -> tuple[Any, ...]:
        """Return the loss and, if it is carried to the next batch, the last state."""
        computed = kernel_loss(model, batch, state_before(model, batch, before), steps)
        return computed if carries else computed[:1]

    def _output(self, model: Model, batch: Batch, before: State | None = None) -> Tensor:
        return model.forward_training(batch, state_before(model, batch, before), self.step)[0]

    def _loss_and_output(
        self, carries: bool, model: Model, batch: Batch, before: State | None = None
    ) -> tuple[Any, ...]:
        """Return loss, outputs and, if it is carried to the next batch, the last state."""
        state = state_before(model, batch, before)
        output, state = model.forward_training(batch, state, self.step)
        computed = loss(self.task, output, batch), output
        return (*computed, state) if carries else computed

    def _carry(self, states: Sequence[State | None], parts: Sequence[Part]) -> None:
        """Carry the states of all members to the next batch, if it goes on from this one."""
        first = states[0]
        self._carried = (
            None if first is None else map_state(lambda *leaves: self._join(leaves, parts), *states)
        )

    def _join(self, tensors: Sequence[Tensor], parts: Sequence[Part]) -> Tensor:
        """Concatenate tensors of parts `(n, ...)` in the order of the members `(N, ...)`."""
        if parts[0].members is None:
            return tensors[0]
        order = [n for part in parts for n in part.members or ()]
        return torch.cat(list(tensors))[np.argsort(order)]

    def _join_rows(
        self, rows: Sequence[list[dict[str, float]]], parts: Sequence[Part]
    ) -> list[dict[str, float]]:
        """List the rows of all members in their order."""
        if parts[0].members is None:
            return rows[0]
        by_member = {
            n: row
            for part, own in zip(parts, rows, strict=True)
            for n, row in zip(part.members or (), own, strict=True)
        }
        return [by_member[n] for n in range(len(self.members))]

    def check(self) -> list[Divergence]:
        """Return the members that have diverged since the last check, as `DivergenceCheck`."""
        unchecked, self._unchecked = self._unchecked, []
        if not unchecked:
            return []
        values = [numbers for _, quantities in unchecked for numbers in quantities.values()]
        fine = isfinite(torch.cat(values).sum())
        before, self.last_loss = self.last_loss, unchecked[-1][1].get(_LOSS, self.last_loss)
        messages: dict[int, str] = {}
        for step, quantities in () if fine else unchecked:
            for name, numbers in quantities.items():
                for n in (~torch.isfinite(numbers)).nonzero().flatten().tolist():
                    if n not in messages:
                        messages[n] = divergence_message(
                            name,
                            float(numbers[n]),
                            step,
                            float(before[n]),
                            learning_rate=self.scheduler.learning_rates[n],
                            clip_norm=self.members[n].experiment.training.clip_norm,
                            precision="32-true",
                        )
            before = quantities.get(_LOSS, before)
        return [Divergence(n, message) for n, message in messages.items()]

    @torch.no_grad()
    def _log(self, rows: Sequence[dict[str, float]], norms: Tensor) -> None:
        """Log each member's row of metrics, as `Telemetry` does for a single run."""
        assert self._loss is not None
        means = (self._loss / self._num_losses).tolist()
        rates = self.scheduler.learning_rates
        seconds = self._clock.since_restart()
        speed = {
            "time/steps_per_second": self._steps_since / seconds,
            "time/symbols_per_second": self._symbols_since / seconds,
        }
        for n, (m, row) in enumerate(zip(self.members, rows, strict=True)):
            row["loss"] = means[n]
            row |= {"grad_norm": float(norms[n]), "learning_rate": rates[n]}
            m.log({f"train/{name}": value for name, value in row.items()} | speed, self.step)
        self._loss, self._num_losses = None, 0
        self._restart_clock()

    @torch.no_grad()
    def _metrics(self, computed: "_Computed") -> list[dict[str, float]]:
        """Score the outputs of some members, all at once if the task's metrics allow `vmap`."""
        assert computed.output is not None
        output, batch = computed.output.detach(), computed.batch
        shared, members = self._feed.shared, range(len(output))
        means = stacked_metrics(self.task, output, batch, shared=shared)
        if means is not None:
            columns = {name: mean.value.tolist() for name, mean in means.items()}
            scores = [{name: values[n] for name, values in columns.items()} for n in members]
        else:
            each = (
                self.task.metrics(output[n], member_batch(batch, n, shared=shared)) for n in members
            )
            scores = [{name: float(mean.value) for name, mean in own.items()} for own in each]
        return [own | self.task.derived(own) for own in scores]

    def _restart_clock(self) -> None:
        self._clock.restart()
        self._steps_since, self._symbols_since = 0, 0


class _Computed(NamedTuple):
    """What an update computes of some members.

    Attributes:
        losses: `(n,)`.
        output: `(n, B, S, O)`, or `None` if it was not computed.
        batch: targets and masks of these outputs.
        state: after the last step, if it is carried to the next batch.
    """

    losses: Tensor
    output: Tensor | None
    batch: Batch
    state: State | None


def _copy(tensor: Tensor) -> Tensor:
    return tensor.to("cpu", copy=True)


def _rows(state: State, members: Sequence[int] | None) -> State:
    return state if members is None else map_state(lambda leaf: leaf[members], state)


class _Clock:
    """Measures the time since the last row, and each member's equal share of all time."""

    def __init__(self) -> None:
        self._read = clocks()
        self._shares = dict.fromkeys(self._read, 0.0)
        self.restart()

    def restart(self) -> None:
        self._restarted = time.perf_counter()

    def since_restart(self) -> float:
        return max(time.perf_counter() - self._restarted, 1e-9)

    def time_share(self, members: int) -> dict[str, float]:
        """Return each member's share so far; `members` shared the time since the last call."""
        before, self._read = self._read, clocks()
        for name, now in self._read.items():
            self._shares[name] += (now - before[name]) / max(members, 1)
        return dict(self._shares)
