"""Which of the processes that train together this is, told by the environment, without torch."""

import os

DIRECTORY = "RNNLAB_RUN_DIRECTORY"
"""Tells the other processes of one training where its run is."""


def is_helper() -> bool:
    """Tell whether another process writes the run and speaks for all."""
    return os.environ.get("LOCAL_RANK", "0") != "0" and DIRECTORY in os.environ
