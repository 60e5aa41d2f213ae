"""Stops a run that a pruner rejects."""

import lightning.pytorch as L

from rnnlab.training.stopping import Pruner


class Pruning(L.Callback):
    """Asks a pruner after each validation whether to stop; must come after `Checkpoints`.

    Args:
        pruner: decides by the validation scores.
        name: the run's name.

    Attributes:
        pruned: whether training was stopped.
    """

    def __init__(self, pruner: Pruner, name: str) -> None:
        self.pruner = pruner
        self.name = name
        self.pruned = False

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Pass the scores to the pruner, and stop on its decision unless training is over."""
        scores = {name: float(value) for name, value in trainer.callback_metrics.items()}
        stop = self.name in self.pruner(trainer.global_step, {self.name: scores})
        over = trainer.should_stop or trainer.global_step >= trainer.max_steps
        self.pruned = stop and not over
        trainer.should_stop = trainer.should_stop or self.pruned
