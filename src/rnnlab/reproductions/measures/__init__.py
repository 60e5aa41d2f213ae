"""Numbers of a run that `results.json` doesn't have: functions that a claim's `measure` names.

Each takes a run and, as keyword-only arguments, its settings; a function of a package that is
allowed serves as well.
"""

from rnnlab.reproductions.measures.guessing import mean_guesses
from rnnlab.reproductions.measures.hopfield import (
    capacity,
    overlap_at,
    recalled_by_hebb,
    recalled_by_softmax,
)
from rnnlab.reproductions.measures.inside import (
    basin,
    branch_purity,
    count_fixed_points,
    machine_states,
    of_analysis,
    tap_period,
    tap_weight,
)
from rnnlab.reproductions.measures.scores import (
    longest_right,
    root,
    score_at,
    score_of_third,
    updates_until,
)
from rnnlab.reproductions.measures.trask import printed_errors_met

__all__ = [
    "basin",
    "branch_purity",
    "capacity",
    "count_fixed_points",
    "longest_right",
    "machine_states",
    "mean_guesses",
    "of_analysis",
    "overlap_at",
    "printed_errors_met",
    "recalled_by_hebb",
    "recalled_by_softmax",
    "root",
    "score_at",
    "score_of_third",
    "tap_period",
    "tap_weight",
    "updates_until",
]
