"""What a config describes: a task, a model, data, and how they are trained."""

from rnnlab.experiment.data import Curriculum, Data
from rnnlab.experiment.experiment import Experiment
from rnnlab.experiment.settings import Training

__all__ = ["Curriculum", "Data", "Experiment", "Training"]
