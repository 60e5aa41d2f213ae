"""Messages of catalogues and their translations as plain pairs, and translation of projects'."""

import struct
from importlib.util import find_spec
from pathlib import Path

import pytest

from rnnlab.errors import ConfigError, NoPackage
from rnnlab.tasks import Translation
from rnnlab.tasks.catalogues import Catalogues, plain_pair, read_compiled, read_messages
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


def translation(source: str | list[str] = "django", **settings) -> Translation:
    settings = {"max_clauses": None, "path": None, **FILES, "max_words": None, **settings}
    return Translation("encoder_decoder", 0, source=source, level="word", **settings)


def compiled(entries: dict[str, str], order: str = "<") -> bytes:
    """Make a catalogue in the format `.mo`."""
    texts = [text.encode() for pair in zip(*entries.items(), strict=True) for text in pair]
    places, data, start = b"", b"", 28 + 16 * len(entries)
    for text in texts:
        places += struct.pack(f"{order}2I", len(text), start + len(data))
        data += text + b"\0"
    head = (0x950412DE, 0, len(entries), 28, 28 + 8 * len(entries), 0, 0)
    return struct.pack(f"{order}7I", *head) + places + data


def install(place: Path, project: str, files: dict[str, str | bytes]) -> None:
    """Lay the files of a project, with their list, where Python finds installed ones."""
    for name, content in files.items():
        file = place / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    info = place / f"{project}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project}\nVersion: 1.0\n")
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in files))


def entry(source: str, target: str) -> str:
    return f'msgid "{source}"\nmsgstr "{target}"\n\n'


def test_messages_are_joined_unescaped_and_current() -> None:
    assert [tuple(message) for message in read_messages(CATALOGUE)] == [
        (['a "long" text'], ["un texte « long »"]),
        (["%d day", "%d days"], ["%d jour", "%d de jours", "%d jours"]),
    ]


def test_a_comment_has_the_text_of_a_message_that_is_a_name() -> None:
    text = '#. Default: "A \\"title\\""\n#: page.pt:1\nmsgid "label_title"\nmsgstr "Un titre"\n'
    assert [tuple(message) for message in read_messages(text)] == [(['A "title"'], ["Un titre"])]


@pytest.mark.parametrize("order", ["<", ">"])
def test_compiled_messages_have_plurals_and_no_context(order: str) -> None:
    entries = {"": "Language: fr", "noun\4day\0days": "jour\0jours", "none": "", "été": "l'été"}
    assert [tuple(message) for message in read_compiled(compiled(entries, order))] == [
        (["day", "days"], ["jour", "jours"]),
        (["été"], ["l'été"]),
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


def test_the_nearest_text_is_the_first_of_equals_and_of_none_alike() -> None:
    assert nearest_text(["cat cat", "cat", "cat"], ["CAT", "zzz"]) == [1, 0]


@pytest.fixture
def projects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three projects that share messages: `one` in text, `two` compiled, `three` unreadable."""
    site = tmp_path / "site"
    place = "locale/fr/LC_MESSAGES/messages"
    texts = [entry(f"word {word}", f"mot {word}") for word in WORDS]
    install(
        site,
        "one",
        {
            f"one/{place}.po": "".join(texts) + entry("a word too long", "un mot trop long"),
            f"one/{place}.mo": b"not read",
            "one/locale/de/LC_MESSAGES/messages.po": entry("word", "Wort"),
        },
    )
    entries = {f"{word}\0word {word}": f"{word} seul\0mots {word}" for word in WORDS}
    install(site, "two", {f"../share/{place}.mo": compiled(entries)})
    install(site, "three", {f"three/{place}.mo": b"\xde\x12\x04\x95"})
    monkeypatch.syspath_prepend(str(site))
    return site


WORDS = [2 * chr(code) for code in range(ord("a"), ord("z") + 1)]


@pytest.mark.usefixtures("projects")
def test_a_message_of_two_projects_is_in_one_split() -> None:
    task = translation(["two", "one"])
    assert task.rows is not None
    assert len(task.rows.all) == 3 * len(WORDS) + 1
    words = {
        split: {pair[0].split()[-1] for pair in rows if pair[0] != "a word too long"}
        for split, rows in ((split, task.rows[split]) for split in task.rows.indices)
    }
    assert sum(map(len, words.values())) == len(WORDS)
    assert all(words.values())
    assert task.fingerprint() == translation(["one", "two", "one"]).fingerprint()


def test_two_messages_that_a_third_joins_are_of_one_split(projects: Path) -> None:
    joining = 'msgid "aa"\nmsgid_plural "bb"\nmsgstr[0] "a"\nmsgstr[1] "b"\n'
    install(projects, "zero", {"zero/fr/LC_MESSAGES/zero.po": joining})
    catalogues = Catalogues("two,zero")
    names = {catalogues.message((source, "")) for source in ("aa", "word aa", "bb", "word bb")}
    assert len(names) == 1
    assert catalogues.message(("cc", "")) not in names


@pytest.mark.usefixtures("projects")
def test_long_pairs_are_left_out_of_all_splits() -> None:
    rows = translation("one", max_words=2).rows
    assert rows is not None
    assert len(rows.all) == len(WORDS)
    with pytest.raises(ConfigError, match=r"task.max_words must leave pairs .* got 1"):
        translation("one", max_words=1)


@pytest.mark.usefixtures("projects")
@pytest.mark.parametrize("source", ["three", ["one", "three"]])
def test_a_broken_catalogue_is_named(source: str | list[str]) -> None:
    with pytest.raises(ConfigError, match=r"task.source: .*three.*messages.mo is no catalogue"):
        translation(source)


def test_projects_that_are_missing_or_have_no_catalogue_are_named(projects: Path) -> None:
    install(projects, "four", {"four/locale/de/LC_MESSAGES/messages.po": entry("word", "Wort")})
    with pytest.raises(NoPackage, match="not installed: pip install --no-deps none nothing "):
        translation(["one", "nothing", "none"])
    with pytest.raises(NoPackage, match=r"task\.source reads files that four lacks"):
        translation("four")


@needs_django
def test_singular_and_plural_are_of_one_split_and_nothing_of_markup_is_left() -> None:
    task = translation()
    assert task.rows is not None
    assert 700 < len(task.rows.all) < 2000
    catalogues = Catalogues("django")
    messages = {
        split: {catalogues.message(pair) for pair in task.rows[split]}
        for split in ("train", "test")
    }
    assert not messages["train"] & messages["test"]
    assert not [pair for pair in task.rows.all if "%(" in pair[0] + pair[1] or "<" in pair[0]]
    assert 0.1 < task.floor["bleu_nearest_neighbour"] < task.floor["chrf_nearest_neighbour"] < 0.6
    assert task.fingerprint() == translation().fingerprint()


def test_a_source_gives_the_sentences_itself() -> None:
    with pytest.raises(ConfigError, match="max_clauses must be null where source=django"):
        translation(max_clauses=3)
    with pytest.raises(ConfigError, match=r"task.source must be null where task.path is a.tsv"):
        translation(path="a.tsv")
    with pytest.raises(ConfigError, match=r"task.test_path must be null"):
        translation(test_path="a.tsv")
