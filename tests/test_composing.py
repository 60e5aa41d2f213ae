"""What tests compose is what Hydra composes."""

import pytest
from hydra import compose
from hydra.errors import HydraException
from omegaconf import DictConfig, open_dict

from rnnlab.config.sources import hydra_initialized
from tests.composing import compose_sharing


def without_hydra(cfg: DictConfig) -> DictConfig:
    with open_dict(cfg):
        del cfg["hydra"]
    return cfg


@pytest.mark.parametrize(
    "line",
    [
        "task=copy optimizer.lr=0.5 seed=1 seed=2 seed=1 sweep_name=x output_dir=elsewhere",
        "experiment=copy_lstm model.cell.hidden_size=3 +optimizer.amsgrad=true ~choices",
        "model=seq2seq model@model.decoder=gru model.decoder.cell.hidden_size=3 threads=${seed}",
        "hydra.job.chdir=false model/teacher_forcing=linear model=seq2seq",
    ],
)
def test_it_is_what_hydra_gives(line: str) -> None:
    with hydra_initialized():
        for words in ([*line.split(), "seed=9"], line.split()):
            whole = compose("train", words, return_hydra_config=True)
            shared = compose_sharing("train", words, return_hydra_config=True)
            assert shared.hydra.runtime.choices == whole.hydra.runtime.choices
            assert shared.hydra.sweep.dir == whole.hydra.sweep.dir
            assert without_hydra(shared) == without_hydra(whole)


@pytest.mark.parametrize(
    "word", ["model=nothing", "task.delai=3", "+seed=3", "~nothing", "seed=1,2"]
)
def test_what_hydra_refuses_is_refused_in_its_words(word: str) -> None:
    said = []
    with hydra_initialized():
        for composing in (compose, compose_sharing):
            with pytest.raises(HydraException) as refused:
                composing("train", ["task=copy", word], return_hydra_config=True)
            said.append(str(refused.value))
    assert said[0] == said[1]
