"""Hydra is initialized with rnnlab's configs."""

import hydra
import pytest
from omegaconf import OmegaConf

from rnnlab.config.sources import VERSION, config_directory, version_arguments


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("1.3.2", {"version_base": "1.3"}),
        ("1.4.0rc3", {}),
        ("1.4.0", {}),
        ("1.10.0", {}),
    ],
)
def test_only_hydra_1_3_is_given_a_version_base(version, words):
    assert version_arguments(version) == words
    assert version_arguments(hydra.__version__) == VERSION


def test_no_config_but_the_first_says_how_hydra_runs():
    files = [path for path in config_directory().rglob("*.yaml") if path.name != "train.yaml"]
    assert files
    for path in files:  # Hydra 1.4 refuses it
        assert "mode" not in (OmegaConf.load(path).get("hydra") or {}), path
