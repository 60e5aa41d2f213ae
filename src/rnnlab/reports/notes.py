"""How to read a report: what its numbers are, and how they are computed."""

from rnnlab.reports.aggregate import Aggregate
from rnnlab.reports.report import Report
from rnnlab.reports.significance import MOST_EXACT, PERMUTATIONS
from rnnlab.reports.statistics import RESAMPLES

_INTERVALS = {
    "bootstrap": f"percentile bootstrap of the mean, {RESAMPLES:,} resamples. Of few seeds it is "
    "too narrow: of 5 normal values it holds the true mean in 83 % of cases; `interval=t` is "
    "Student's.",
    "t": "Student's t interval of the mean, which holds the true mean in 95 % of cases where "
    "values are normal, however few they are; `interval=bootstrap` assumes no distribution.",
}


def notes(report: Report) -> list[str]:
    """Return the notes that apply to a report, a sentence or more each, in Markdown."""
    aggregate = report.first
    over = " and ".join(aggregate.over) or "nothing"
    found = [
        f"The runs of a group differ in {over} alone. `n` of them have the metric; `failed` ones "
        "don't, and count in no mean and no median. `sd` is the standard deviation over them, with "
        "n - 1 in the denominator.",
        f"`95 %` beside the mean: {_INTERVALS[aggregate.interval]}",
        "`floor` is the score without memory or learning, as the task knows it; `params` the "
        "number of parameters and `seconds` those of training, means over the runs of the group.",
    ]
    if aggregate.target is not None:
        sign = "at most" if aggregate.lower_is_better else "at least"
        found.append(
            f"`reached`: number of runs with {aggregate.metric} of {sign} {aggregate.target:g}, of "
            "all; a failure did not reach it. The interval is Wilson's."
        )
    if report.sections[0].pivot is not None:
        found.append(
            "The table of two directions has mean ± standard deviation; bold is the best mean of "
            "each column, or where tasks are down of each row."
        )
    found += _on_comparisons(report)
    if any(section.importances for section in report.sections):
        found.append(
            "Importance: the share of the variance of the runs' ranks that a setting explains "
            "alone (effect size of the Kruskal-Wallis test, corrected for chance), ranked within "
            "tasks, failures last. Numbers with many values are put into five classes of equal "
            "size. What settings do only together is not in it."
        )
    if any("/free_" in section.aggregate.metric for section in report.sections):
        found.append("For a model that is fed no outputs `free_` scores are the plain ones.")
    return found + [f"{remark[0].upper()}{remark[1:]}." for remark in report.remarks]


def _on_comparisons(report: Report) -> list[str]:
    aggregate, matching = report.first, report.sections[0].matching
    if matching is not None:
        found = [
            f"Compared: runs that differ in {matching.key} and agree in all other settings that "
            "are swept, the seed among them. `difference` is over the pairs of which both finished."
        ]
    elif aggregate.comparisons:
        found = [_paired(aggregate)]
    else:
        return []
    return [
        *found,
        "`better` counts the pairs of which the first is better, of those that differ; a failure "
        "is worse than any value. `sign p` is the exact two-sided sign test: with 5 pairs it can't "
        "be below 0.06. `perm p` is the paired permutation test of the mean difference, exact up "
        f"to {MOST_EXACT} pairs, of more with {PERMUTATIONS:,} permutations drawn by PCG64 from "
        "seed 0; failures are not in it. Neither is corrected for multiple comparisons.",
    ]


def _paired(aggregate: Aggregate) -> str:
    same = f", and not in {aggregate.x}" if aggregate.x and len(aggregate.keys) > 1 else ""
    return (
        "Paired: each group is compared on shared seeds with the group of the best mean among "
        f"those that differ from it in one setting alone{same}. `difference` is over the seeds "
        "on which both finished."
    )
