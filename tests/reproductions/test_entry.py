"""Entries of the gallery: ours, and the mistakes that one can make in one's own."""

import re

import pytest
import yaml

from rnnlab.config.build import check
from rnnlab.config.compose import compose
from rnnlab.errors import ConfigError
from rnnlab.experiment.experiment import Experiment
from rnnlab.reproductions import measures
from rnnlab.reproductions.entry import Entry, entry_names
from rnnlab.reproductions.jobs import Plan

NAMES = list(entry_names())
TREE = {
    "citation": "Somebody 1990, table 1",
    "protocol": "scaled",
    "differs": None,
    "minutes": 1,
    "seeds": 3,
    "words": "task=copy task.length=3 task.delay=1 model=elman",
    "jobs": {"large": "model.cell.hidden_size=8", "small": "model.cell.hidden_size=1"},
    "smoke": "trainer.max_steps=2",
    "full": "",
    "claims": [
        {"what": "accuracy", "job": "large", "measure": "test/accuracy", "must": "> 0", "least": 2}
    ],
    "controls": [
        {"what": "accuracy", "job": "small", "measure": "test/accuracy", "must": "< 1", "least": 3}
    ],
}


def changed(**changes):
    return {**TREE, **changes}


def claim(**changes):
    return changed(claims=[{**TREE["claims"][0], **changes}])


def drawing(**changes):
    tree = {"job": "large", "analysis": "states", "words": [], "picture": "hidden_tree"}
    return changed(drawings={"tree": {**tree, **changes}})


def read(path, tree):
    path.write_text(f"# It learns.\n{yaml.safe_dump(tree)}")
    entry = Entry.read(path, "It learns.")
    entry.check_measures()
    return entry


def test_an_entry_is_read(tmp_path):
    entry = read(tmp_path / "mine.yaml", TREE)
    assert (entry.name, entry.summary, entry.protocol) == ("mine", "It learns.", "scaled")
    assert entry.overrides("small", "smoke")[-2:] == [
        "model.cell.hidden_size=1",
        "trainer.max_steps=2",
    ]
    assert entry.overrides("small", "quick")[-1] == "model.cell.hidden_size=1"
    assert [entry.num_seeds(tier) for tier in ("smoke", "quick", "full")] == [2, 3, 3]


@pytest.mark.parametrize(
    ("tree", "problem"),
    [
        (changed(citations="x"), "citations is not a setting: did you mean citation?"),
        (changed(name="x"), "name is not a setting"),
        (claim(measures="x"), "claims.0.measures is not a setting: did you mean measure?"),
        (claim(paper={"value": 1, "where": "x", "seen": True}), "claims.0.paper.seen is not a"),
        (claim(paper={"value": 1, "where": "x"}), "claims.0.paper.status is missing"),
        (changed(protocol="rough"), "protocol must be one of exact, scaled or qualitative, got"),
        (changed(seeds=0), "seeds must be 1 or more, got 0"),
        (changed(seeds=101), "seeds must be at most 100, got 101"),
        (changed(controls=[]), "controls must be a list that is not empty, got []"),
        (claim(job="larg"), "claims.0.job=larg is no job: did you mean large?"),
        (claim(job="x"), "claims.0.job=x is no job: it takes large, small"),
        (changed(jobs={**TREE["jobs"], "../up": ""}), "jobs.../up"),
        (claim(must="~ 1"), "claims.0.must be like"),
        (claim(least=4), "claims.0.least must be at most seeds=3, got 4"),
        (changed(jobs={**TREE["jobs"], "idle": ""}), "jobs.idle has no claim"),
        (claim(measure={"_target_": "os.remove"}), "claims.0.measure._target_ must name"),
        (
            claim(measure={"_target_": "rnnlab.reproductions.measures.score_at", "matric": "x"}),
            "claims.0.measure.matric is not a setting: did you mean claims.0.measure.metric?",
        ),
        (drawing(job="larg"), "drawings.tree.job=larg is no job: did you mean large?"),
        (drawing(analysis="state"), "drawings.tree.analysis=state is no analysis: did you mean st"),
        (drawing(words=["analysis.colour=x"]), "drawings.tree: analysis.colour"),
        (drawing(pictures="x"), "drawings.tree.pictures is not a setting: did you mean picture?"),
        ([], "must hold settings: citation,"),
    ],
)
def test_a_mistake_is_named(tmp_path, tree, problem):
    with pytest.raises(ConfigError, match=re.escape(problem)):
        read(tmp_path / "mine.yaml", tree)


def test_all_mistakes_are_named_at_once(tmp_path):
    with pytest.raises(ConfigError) as raised:
        read(tmp_path / "mine.yaml", changed(seeds=0, minutes=-1, tried=3))
    assert len(str(raised.value).splitlines()) == 3


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match=f"did you mean {NAMES[0]}?"):
        Entry.load(NAMES[0][:-1])


def test_what_was_not_seen_is_not_shown_as_the_papers(tmp_path):
    papers = [
        {"value": 0.5, "where": "table 1", "status": status} for status in ("seen", "remembered")
    ]
    seen, remembered = (read(tmp_path / "e.yaml", claim(paper=paper)) for paper in papers)
    assert seen.claims[0].paper.shown == "0.5 (table 1)"
    assert remembered.claims[0].paper.shown == ""


@pytest.mark.parametrize("name", NAMES)
def test_every_entry_is_whole(name, tmp_path):
    """Its jobs can be composed in each tier, and its measures are scores of its tasks."""
    entry = Entry.load(name)
    entry.check_measures()
    assert entry.claims
    assert entry.controls
    for tier in ("smoke", "quick", "full"):
        plan = Plan.make(entry, tier, "fresh", tmp_path)
        cfgs = {job: compose(plan.words(job)) for job in entry.jobs}
        for cfg in cfgs.values():
            check(cfg)
    tasks = {job: Experiment.assemble(cfg).task for job, cfg in cfgs.items()}
    for each in entry.checks:
        task = tasks[each.job]
        if isinstance(each.measure, str) and each.measure.startswith(("val/", "test/")):
            metric = each.measure.partition("/")[2].removeprefix("free_")
            assert metric in {*task.higher_is_better, "loss"}
        if isinstance(each.floor, str):
            assert each.floor.removeprefix("floor/") in task.floor


def test_entries_name_measures_by_their_public_names():
    checks = [each for name in NAMES for each in Entry.load(name).checks]
    named = {each.measure["_target_"] for each in checks if not isinstance(each.measure, str)}
    assert named <= {f"{measures.__name__}.{name}" for name in measures.__all__}


def test_what_a_control_must_do_is_no_claim_of_the_same_job():
    for name in NAMES:
        entry = Entry.load(name)
        claims = {(each.job, str(each.measure)) for each in entry.claims}
        assert not claims & {(each.job, str(each.measure)) for each in entry.controls}
