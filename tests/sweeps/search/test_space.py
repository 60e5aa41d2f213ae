"""Reading a search space from overrides in Hydra's grammar."""

import optuna
import pytest

from rnnlab.errors import ConfigError
from rnnlab.sweeps.search.space import Choice, Number, Space


def read(*words: str) -> Space:
    return Space.read(words, ["monitor"], lambda key: key == "optimizer.lr")


def only(word: str) -> Choice | Number:
    (dimension,) = read(word).dimensions
    return dimension


@pytest.mark.parametrize(
    ("word", "dimension"),
    [
        ("k=a,b", Choice("k", ("a", "b"))),
        ("k=1,null,'x y',[1,2]", Choice("k", ("1", "null", "'x y'", "[1,2]"))),
        ("model@model.encoder=gru,lstm", Choice("model@model.encoder", ("gru", "lstm"))),
        ("+k=1,2", Choice("+k", ("1", "2"))),
        ("k=range(4)", Number("k", 0, 3, 1, False)),
        ("k=range(2,9,3)", Number("k", 2, 8, 3, False)),
        ("k=range(9,2,-3)", Number("k", 3, 9, 3, False)),
        ("k=range(0.1,0.5,0.1)", Number("k", 0.1, 0.4, 0.1, False)),
        ("k=tag(log,range(1,65))", Number("k", 1, 64, 1, True)),
        ("k=interval(4,64)", Number("k", 4, 64, 1, False)),
        ("k=interval(0.5,2)", Number("k", 0.5, 2.0, None, False)),
        ("optimizer.lr=interval(0,1)", Number("optimizer.lr", 0.0, 1.0, None, False)),
        ("k=tag(log,interval(1e-4,1e-1))", Number("k", 1e-4, 1e-1, None, True)),
    ],
)
def test_overrides_become_dimensions(word, dimension):
    assert only(word) == dimension
    assert [type(end) for end in only(word).ends] == [type(end) for end in dimension.ends]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("k=glob(*)", "k=glob(*): a search needs a list of values, such as choice(a,b)"),
        ("k=shuffle(range(4))", "a search can't shuffle values"),
        ("k=shuffle(a,b)", "a search can't shuffle values"),
        ("k=tag(log,choice(1,2))", "a tag goes with an interval or a range"),
        ("k=tag(linear,interval(1,2))", "the only tag is log, got linear"),
        ("k=tag(log,interval(0,1))", "log takes numbers above 0, got 0"),
        ("k=tag(log,range(1,9,2))", "log goes with an interval, or a range in steps of 1"),
        ("k=interval(2,1)", "an interval goes from a number to a larger one"),
        ("k=interval(1,inf)", "an interval goes from a number to a larger one"),
        ("k=range(3,1)", "the range is empty"),
        ("k=range(0,1,0)", "a range goes in finite steps"),
        ("k=a,b,a", "a value is given twice"),
        ("monitor=a,b", "monitor can't be searched"),
        ("k=1", "there is nothing to search"),
    ],
)
def test_an_invalid_dimension_is_refused_in_one_line(word, message):
    with pytest.raises(ConfigError) as error:
        read(word)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_all_errors_are_reported_at_once():
    with pytest.raises(ConfigError) as error:
        read("a=range(3,1)", "b=interval(2,1)", "c=1,2")
    assert [line[:2] for line in str(error.value).splitlines()] == ["a=", "b="]


def test_of_two_overrides_of_one_key_the_later_counts():
    space = read("k=a,b", "other=1", "k=2", "other=c,d")
    assert space.fixed == {"k": "k=2"}
    assert space.dimensions == [Choice("other", ("c", "d"))]


@pytest.mark.parametrize(
    ("word", "values"),
    [
        ("k=a,b", ["k=a", "k=b"]),
        ("k=range(2,9,3)", ["k=2", "k=5", "k=8"]),
        ("k=range(0.1,0.5,0.1)", ["k=0.1", "k=0.2", "k=0.3", "k=0.4"]),
        ("k=interval(1,3)", ["k=1", "k=2", "k=3"]),
    ],
)
def test_a_grid_is_all_values_as_they_would_be_typed(word, values):
    dimension = only(word)
    assert [dimension.override(value) for value in dimension.values] == values
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = {dimension.override(dimension.suggest(study.ask())) for _ in range(60)}
    assert drawn == set(values)


def test_an_interval_has_no_grid():
    assert only("k=interval(0.5,2)").values is None
