"""The objects that a config describes: task, model, data, training settings, schedulers."""

from rnnlab.experiment.data import Curriculum, Data
from rnnlab.experiment.experiment import Experiment
from rnnlab.experiment.settings import TrainerSettings

__all__ = ["Curriculum", "Data", "Experiment", "TrainerSettings"]
