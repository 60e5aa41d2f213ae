"""Stops a run that has no prospect."""

import lightning.pytorch as L

from rnnlab.training.stopping import Judge


class Pruning(L.Callback):
    """Asks after each validation whether to go on; must come after `Checkpoints`.

    Args:
        judge: whom to ask.
        name: of the run.

    Attributes:
        pruned: whether training was stopped.
    """

    def __init__(self, judge: Judge, name: str) -> None:
        self.judge = judge
        self.name = name
        self.pruned = False

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Report the scores, and stop if told to and training isn't over anyway."""
        scores = {name: float(value) for name, value in trainer.callback_metrics.items()}
        stop = self.name in self.judge(trainer.global_step, {self.name: scores})
        over = trainer.should_stop or trainer.global_step >= trainer.max_steps
        self.pruned = stop and not over
        trainer.should_stop = trainer.should_stop or self.pruned
