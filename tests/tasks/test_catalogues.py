"""Messages of catalogues and their translations as plain pairs, and translation of Django's."""

from importlib.util import find_spec

import pytest

from rnnlab.errors import ConfigError
from rnnlab.tasks import Translation
from rnnlab.tasks.catalogues import DjangoCatalogues, plain_pair, read_messages
from rnnlab.tasks.classifiers import nearest_text
from tests.small_runs import FILES

needs_django = pytest.mark.skipif(find_spec("django") is None, reason="the extra data is missing")

CATALOGUE = r"""
# heading
msgid ""
msgstr ""
"Language: fr\n"

msgctxt "noun"
msgid ""
"a \"long\" "
"text"
msgstr "un texte « long »"

#, python-format
msgid "%d day"
msgid_plural "%d days"
msgstr[0] "%d jour"
msgstr[1] "%d de jours"
msgstr[2] "%d jours"

#, fuzzy
msgid "guess"
msgstr "devine"

msgid "not yet"
msgstr ""

#~ msgid "old"
#~ msgstr "vieux"
"""


def translation(**settings) -> Translation:
    settings = {"level": "word", "max_clauses": None, "path": None, **FILES, **settings}
    return Translation("encoder_decoder", 0, source="django", **settings)


def test_messages_are_joined_unescaped_and_current() -> None:
    assert [tuple(message) for message in read_messages(CATALOGUE)] == [
        (['a "long" text'], ["un texte « long »"]),
        (["%d day", "%d days"], ["%d jour", "%d de jours", "%d jours"]),
    ]


@pytest.mark.parametrize(
    ("source", "target", "pair"),
    [
        ("%(a)s in %(b)s", "en %(b)s, %(a)s", ("X in Y", "en Y, X")),
        ("{count:d} of {}", "{} : {count:d}", ("X of Y", "Y : X")),
        ("100%% of %s", "100%% de %s", ("100% of X", "100% de X")),
        ('<a href="%(url)s">all&nbsp;of\nit</a>', "<b>tout</b>", ("all of it", "tout")),
        ("it\u2019s", "c\u2019est", ("it's", "c'est")),
    ],
)
def test_placeholders_are_letters_and_markup_is_removed(source, target, pair) -> None:
    assert plain_pair(source, target) == pair


def test_the_nearest_text_shares_most_trigrams() -> None:
    assert nearest_text(["a red cat", "two dogs", "Delete X"], ["delete Y", "the dogs"]) == [2, 1]


@needs_django
def test_singular_and_plural_are_of_one_split_and_nothing_of_markup_is_left() -> None:
    task = translation()
    assert task.rows is not None
    assert 700 < len(task.rows.all) < 2000
    catalogues = DjangoCatalogues("django")
    messages = {
        split: {catalogues.message(pair) for pair in task.rows[split]}
        for split in ("train", "test")
    }
    assert not messages["train"] & messages["test"]
    assert not [pair for pair in task.rows.all if "%(" in pair[0] + pair[1] or "<" in pair[0]]
    assert 0.1 < task.floor["bleu_nearest_neighbour"] < task.floor["chrf_nearest_neighbour"] < 0.6
    assert task.fingerprint() == translation().fingerprint()


def test_a_source_gives_the_sentences_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="max_clauses must be null where source=django"):
        translation(max_clauses=3)
    with pytest.raises(ConfigError, match=r"task.source must be null where task.path is a.tsv"):
        translation(path="a.tsv")
    with pytest.raises(ConfigError, match=r"task.test_path must be null"):
        translation(test_path="a.tsv")
    monkeypatch.setattr("rnnlab.tasks.package_data.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"task.source=django .* django, which is not installed"):
        translation()
