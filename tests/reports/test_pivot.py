"""Tables of two directions, and for LaTeX."""

import math
import shutil
import subprocess

import pytest
from omegaconf import OmegaConf

from rnnlab.errors import ConfigError
from rnnlab.reports import latex
from rnnlab.reports.layout import even_span, plus_minus
from rnnlab.reports.pivot import Table
from rnnlab.reports.question import Question
from rnnlab.reports.report import make_report
from rnnlab.reports.statistics import Interval
from rnnlab.reports.table import read_table
from tests.reports.fabricate import fabricate


@pytest.fixture
def models_by_tasks(tmp_path):
    """Runs of two models on two tasks, one of which has a floor, and one failure."""
    for task, height in (("copy", 1.0), ("addition", 3.0)):
        for model in ("elman", "gru"):
            for seed in (0, 1):
                words = {"task": task, "model": model, "seed": seed}
                status = "diverged" if (task, model, seed) == ("copy", "gru", 1) else "finished"
                loss = height + (model == task) + (0.2 if model == "gru" else 0.0) + seed / 10
                floor = {"loss": 2.0} if task == "copy" else {}
                fabricate(tmp_path, words, {"loss": loss}, status=status, floor=floor)
    return tmp_path


def report(directory, **asked):
    return make_report(read_table(directory), Question(**asked))


def pivot(directory, **asked) -> Table:
    return report(directory, **asked).sections[0].pivot.table()


def test_models_go_down_and_tasks_across(models_by_tasks):
    rows, bold = pivot(models_by_tasks, rows=["model"])
    assert rows == [
        ["model", "addition", "copy"],
        ["elman", "3.050 ± 0.071", "1.050 ± 0.071"],
        ["gru", "3.250 ± 0.071", "1.2 (1 failed)"],
        ["floor", "", "2"],
    ]
    assert bold == {(1, 1), (1, 2)}


def test_the_best_is_that_of_a_row_where_tasks_go_down(models_by_tasks):
    rows, bold = pivot(models_by_tasks, columns=["model"])
    assert rows[0] == ["task", "elman", "gru", "floor"]
    assert [row[-1] for row in rows[1:]] == ["", "2"]
    assert bold == {(1, 1), (2, 1)}


def test_one_direction_may_have_all_settings(models_by_tasks):
    rows, _ = pivot(models_by_tasks, rows=["model", "task"])
    assert rows[0] == ["model", "task", "loss", "floor"]
    assert [row[-1] for row in rows[1:]] == ["", "2", "", "2"]
    rows, _ = pivot(models_by_tasks, columns=["model", "task"])
    assert rows[0] == ["", "elman, addition", "elman, copy", "gru, addition", "gru, copy"]
    assert [row[0] for row in rows[1:]] == ["loss", "floor"]


def test_experiments_of_several_tasks_are_not_ranked(tmp_path):
    for experiment, task in (("copy_a", "copy"), ("parity_a", "parity")):
        for rate in (0.1, 0.2):
            words = {"experiment": experiment, "optimizer.lr": rate}
            run = fabricate(tmp_path, words, {"loss": rate})
            config = run.config
            config.choices.task = task
            run.file("config.yaml").write_text(OmegaConf.to_yaml(config))
    assert pivot(tmp_path, rows=["experiment"]).bold == {(1, 1), (2, 1)}
    assert pivot(tmp_path, rows=["optimizer.lr"]).bold == {(1, 1), (1, 2)}
    assert pivot(tmp_path, rows=["experiment", "optimizer.lr"]).bold == set()


def test_a_setting_in_neither_direction_is_an_error(models_by_tasks):
    with pytest.raises(ConfigError, match="that groups differ in: task is missing; add it to one"):
        report(models_by_tasks, rows=["model"], columns=[])
    with pytest.raises(ConfigError, match="rows=modl is not swept here: did you mean model"):
        report(models_by_tasks, rows=["modl"])
    with pytest.raises(ConfigError, match="rows and columns both have model"):
        report(models_by_tasks, rows=["model"], columns=["model", "task"])


def test_an_unscored_metric_leaves_runs_out_and_is_no_failure(tmp_path):
    fabricate(tmp_path, {"task": "copy"}, {"loss": 1.0, "accuracy": 0.5})
    fabricate(tmp_path, {"task": "series"}, {"loss": 1.0})
    found = report(tmp_path, metrics=["accuracy", "loss"])
    (group,) = found.first.groups
    assert (group.settings["task"], group.failures) == ("copy", {})
    assert "1 of 2 runs have no test/accuracy, and are left out" in found.first.remarks
    assert latex.group_table(found).rows == [
        ["task", "n", "accuracy", "loss", "parameters", "seconds"],
        ["copy", "1", "0.5", "1", "97", "2.5"],
        ["series", "1", "", "1", "97", "2.5"],
    ]


@pytest.mark.parametrize(
    ("mean", "sd", "text"),
    [
        (0.2722, 0.0958, "0.272 ± 0.096"),
        (123.4, 12.0, "123 ± 12"),
        (0.0000123, 0.0000045, "(1.23 ± 0.45)e-05"),
        (1.5, 0.0, "1.5"),
        (0.25, math.nan, "0.25"),
    ],
)
def test_standard_deviations_have_two_digits(mean, sd, text):
    assert plus_minus(mean, sd) == text


def test_both_ends_of_an_interval_have_as_many_digits():
    assert even_span(Interval(1.7, 1.7068)) == "[1.7000, 1.7068]"
    assert even_span(Interval(-0.75, 11.25)) == "[-1, 11]"


NAMES = 'a_b & 50% $x$ #1 {y} ~z ^ back\\slash <q> | " end'


def test_names_are_escaped_for_latex():
    text = latex.tabular(Table([["name", "loss"], [NAMES, "1 ± 2"]]), "rnnlab-report x")
    row = text.splitlines()[6]
    assert row == (
        r"a\_b \& 50\% \$x\$ \#1 \{y\} \textasciitilde{}z \textasciicircum{} "
        r"back\textbackslash{}slash \textless{}q\textgreater{} \textbar{} \textquotedbl{} end "
        r"& 1 $\pm$ 2 \\"
    )


def test_a_table_for_latex_has_rules_and_bold_cells(models_by_tasks):
    text = latex.tabular(pivot(models_by_tasks, rows=["model"]), "rnnlab-report x")
    assert text.splitlines() == [
        "% rnnlab-report x",
        r"% needs \usepackage{booktabs}",
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r"model & addition & copy \\",
        r"\midrule",
        r"elman & \textbf{3.050 $\pm$ 0.071} & \textbf{1.050 $\pm$ 0.071} \\",
        r"gru & 3.250 $\pm$ 0.071 & 1.2 (1 failed) \\",
        r"\midrule",
        r"floor &  & 2 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX")
def test_a_table_compiles(models_by_tasks, tmp_path):
    table = Table([["name", "loss"], [NAMES, "(1.2 ± 0.3)e-05"]], frozenset({(1, 1)}))
    page = r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage{booktabs}\begin{document}"
    page += latex.tabular(table, "x") + latex.tabular(pivot(models_by_tasks, rows=["model"]), "x")
    (tmp_path / "page.tex").write_text(page + r"\end{document}")
    command = ["pdflatex", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
