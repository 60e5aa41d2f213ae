"""The LightningModule that trains any model on any task."""

from collections.abc import Callable
from typing import Any, NamedTuple

import lightning.pytorch as L
import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from rnnlab.experiment.schedulers import MakeScheduler
from rnnlab.inference.evaluate import Evaluator, state_before
from rnnlab.metric import Mode
from rnnlab.models.answers import answered_steps, can_select_steps, select_steps
from rnnlab.models.base import Model
from rnnlab.models.kernel_loss import Learnt, LossCall, by_autograd, has_kernel_loss, kernel_loss
from rnnlab.process.ddp import all_gather
from rnnlab.process.global_state import random_states, restore_random_states
from rnnlab.spec import Batch, map_batch
from rnnlab.state import State, detach, leaves, like
from rnnlab.tasks.base import Task
from rnnlab.training.gradients import clip
from rnnlab.training.optimizers import take_fused_steps


class Computed(NamedTuple):
    """What an update computes of a batch.

    Attributes:
        loss: the weighted loss; it is to be differentiated, or the gradients are with the
            parameters already.
        mean: the mean loss.
        output: what the model answers; a kernel that computes the loss without outputs leaves these
            to updates that are logged.
        carried: the detached state after the batch, if the next batch goes on from it.
    """

    loss: Tensor
    mean: Tensor
    output: Tensor | None
    carried: State | None


class SequenceModule(L.LightningModule):
    """Trains a model on a task.

    Attributes:
        carried: the detached state after the last training batch, if batches continue each other
            (truncated BPTT); it is part of the checkpoint.
        next_carried: the same after the batch of the present update.
        grad_norm: the gradient's norm before clipping, at the last update.
        evaluator: collects the scores of the validation in progress.
        learn: makes the call of a kernel that computes a loss.
        recorded: computes what is not logged, if it can, as `compute` does.
        started: whether training has started, with the checkpoint, if any, fully restored.
    """

    def __init__(
        self,
        model: Model,
        task: Task,
        *,
        make_optimizer: Callable[[Any], Optimizer],
        make_scheduler: MakeScheduler,
        monitor: str,
        mode: Mode,
        log_every: int,
    ) -> None:
        super().__init__()
        self.model = model
        self.task = task
        self.make_optimizer = make_optimizer
        self.make_scheduler = make_scheduler
        self.monitor = monitor
        self.mode = mode
        self.log_every = log_every
        self.carried: State | None = None
        self.next_carried: State | None = None
        self.learn: Callable[[LossCall], Learnt] = by_autograd
        self.recorded: Callable[[Batch, State | None], Computed | None] | None = None
        self._resumed: dict[str, Any] | None = None
        self._trained: list[torch.nn.Parameter] | None = None
        self.started = False
        self.grad_norm: Tensor | None = None
        self.evaluator: Evaluator | None = None

    def on_train_start(self) -> None:
        """Restore this process's carried state and random generators from the checkpoint."""
        if self._resumed is not None:
            carried = self._resumed["carried"]
            if carried is not None:
                empty = Batch(*(torch.zeros(carried[0].shape[0], 0, device=self.device),) * 3)
                leaves = [leaf.to(self.device) for leaf in carried]
                self.carried = like(self.model.begin(empty), leaves)
            restore_random_states(self._resumed["random"])  # last, since `begin` may draw
        self.started = True

    def training_step(self, batch: Batch, batch_index: int) -> dict[str, Any]:  # noqa: ARG002
        """Return the loss to differentiate, the mean loss, and the outputs to score."""
        logged, computed = self.is_logged(self.global_step + 1), None
        if self.recorded is not None and not logged:
            computed = self.recorded(batch, self.carried)
        if computed is None:
            computed = self.compute(batch, self.carried, logged=logged)
        # L-BFGS evaluates a batch several times: the state is carried on at its end.
        self.next_carried = computed.carried
        return {"loss": computed.loss, "mean": computed.mean, "output": computed.output}

    def compute(self, batch: Batch, carried: State | None, *, logged: bool) -> Computed:
        """Compute the loss of a batch after the carried state, and what a logged update needs."""
        state, output = state_before(self.model, batch, carried), None
        if self.task.plain_loss and has_kernel_loss(self.model, batch):
            if logged:
                output = self._output(batch, state)
            # A GPU's mask can't be read here.
            select = batch.mask.is_cpu and can_select_steps(self.model)
            steps = answered_steps(batch) if select else None
            learn = self.learn if batch.weight is None else by_autograd  # which scales gradients
            mean, state = kernel_loss(self.model, select_steps(batch, steps), state, steps, learn)
        else:
            output, state = self.model.forward_training(batch, state, self.global_step)
            mean = self.task.loss(output, batch)
            output = output.detach()
        loss = mean if batch.weight is None else mean * batch.weight[0].to(mean.dtype)
        return Computed(loss, mean.detach(), output, None if batch.first is None else detach(state))

    @torch.no_grad()
    def _output(self, batch: Batch, state: State | None) -> Tensor:
        return self.model(batch, state)[0]

    def is_logged(self, step: int) -> bool:
        """Whether training scalars are logged after so many updates."""
        return step % self.log_every == 0 or step == self.trainer.max_steps

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        """Carry the state to the next batch."""
        self.carried = self.next_carried

    def on_validation_epoch_start(self) -> None:
        """Start an evaluator."""
        self.evaluator = Evaluator(self.model, self.task)

    def validation_step(self, batch: Batch, batch_index: int) -> Tensor | None:  # noqa: ARG002
        """Score one batch; return its outputs, or `None` if this process's share has no rows."""
        assert self.evaluator is not None
        return self.evaluator.update(batch) if len(batch.mask) else None

    def on_validation_epoch_end(self) -> None:
        """Pass the validation scores to the callbacks, as `trainer.callback_metrics`."""
        assert self.evaluator is not None
        self.evaluator.gather()
        scores = {f"val/{name}": value for name, value in self.evaluator.compute().items()}
        # All processes have the same numbers: their maximum is exact, a mean may be rounded.
        shared = self.trainer.world_size > 1
        self.log_dict(scores, logger=False, sync_dist=shared, reduce_fx="max" if shared else "mean")

    def configure_optimizers(self) -> Any:
        """Make the optimizer and the scheduler over all updates of the run."""
        optimizer = self.make_optimizer(self.model.parameters())
        if self.trainer.precision != "16-mixed":  # whose scaler doesn't go with fused ones
            take_fused_steps(optimizer)
        scheduler = self.make_scheduler(optimizer, self.trainer.max_steps, self.mode)
        per_validation = isinstance(scheduler, ReduceLROnPlateau)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {
                "scheduler": scheduler,
                "interval": "epoch" if per_validation else "step",
                "monitor": self.monitor,
            },
        }

    def trained(self) -> list[torch.nn.Parameter]:
        """Return the parameters that are trained."""
        if self._trained is None:
            self._trained = [p for p in self.model.parameters() if p.requires_grad]
        return self._trained

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,  # noqa: ARG002
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,  # noqa: ARG002
    ) -> None:
        """Clip the gradient by norm, and store the norm before; without a limit only store it."""
        self.grad_norm = clip(self.trained(), gradient_clip_val)

    def transfer_batch_to_device(
        self,
        batch: Batch,
        device: torch.device,
        dataloader_idx: int,  # noqa: ARG002
    ) -> Batch:
        """Move a batch; one for the CPU is there already."""
        if device.type == "cpu":
            return batch
        return map_batch(lambda part: part.to(device, non_blocking=True), batch)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add each process's carried state and random generators, as plain tensors."""
        own = {
            "carried": None if self.carried is None else leaves(self.carried),
            "random": random_states(),
        }
        checkpoint["processes"] = all_gather(own)
        # Lightning would continue within its epoch; ours start at any update.
        del checkpoint["loops"], checkpoint["epoch"]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the number of updates, and keep the rest until training starts."""
        # Lightning converts the module only after loading, which would round 64-bit weights.
        self.trainer.precision_plugin.convert_module(self)
        counts = self.trainer.fit_loop.epoch_loop.automatic_optimization.optim_progress
        counts.optimizer.step.total.completed = checkpoint["global_step"]
        self._resumed = checkpoint["processes"][self.trainer.global_rank]
