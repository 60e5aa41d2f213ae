import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from rnnlab.errors import ConfigError
from rnnlab.spec import Layout, Split
from rnnlab.tasks.toy_french.clauses import clauses
from rnnlab.tasks.toy_french.grammar import noun_phrase, predicate, verb_phrase
from rnnlab.tasks.toy_french.lexicon import ADJECTIVES, NOUNS, VERBS
from rnnlab.tasks.translation import Translation
from tests.small_runs import FILES

SPLITS: tuple[Split, ...] = ("train", "val", "test")
TEXT = {"bleu": 1, "chrf": 1}
LEVELS = ("word", "character")
NOUN = {noun.english: noun for noun in NOUNS}
ADJECTIVE = {adjective.english: adjective for adjective in ADJECTIVES} | {"": None}
VERB = {verb.english[0]: verb for verb in VERBS}
THE, A, THIS, MY = range(4)
I, HE, SHE, WE, THEY, THEY_FEMININE = range(6)  # noqa: E741


@pytest.mark.parametrize(
    ("noun", "adjective", "determiner", "plural", "negated", "english", "french"),
    [
        ("cat", "", THE, False, False, "the cat", "le chat"),
        ("cow", "", THE, False, False, "the cow", "la vache"),
        ("tree", "", THE, False, False, "the tree", "l'arbre"),
        ("sword", "", THE, False, False, "the sword", "l'épée"),
        ("man", "", THE, False, False, "the man", "l'homme"),
        ("owl", "", THE, False, False, "the owl", "le hibou"),
        ("owl", "old", THIS, False, False, "this old owl", "ce vieux hibou"),
        ("tree", "old", THIS, False, False, "this old tree", "ce vieil arbre"),
        ("tree", "", THIS, False, False, "this tree", "cet arbre"),
        ("sword", "", THIS, False, False, "this sword", "cette épée"),
        ("sword", "", MY, False, False, "my sword", "mon épée"),
        ("sword", "small", MY, False, False, "my small sword", "ma petite épée"),
        ("cow", "huge", MY, False, False, "my huge cow", "mon énorme vache"),
        ("cat", "huge", THE, False, False, "the huge cat", "l'énorme chat"),
        ("house", "white", A, False, False, "a white house", "une maison blanche"),
        ("owl", "huge", A, False, False, "a huge owl", "un énorme hibou"),
        ("cat", "old", A, False, False, "an old cat", "un vieux chat"),
        ("sword", "", A, False, False, "a sword", "une épée"),
        ("bird", "beautiful", A, False, False, "a beautiful bird", "un bel oiseau"),
        ("bird", "beautiful", A, True, False, "some beautiful birds", "de beaux oiseaux"),
        ("story", "new", THE, True, False, "the new stories", "les nouvelles histoires"),
        ("horse", "", THE, True, False, "the horses", "les chevaux"),
        ("horse", "black", A, True, False, "some black horses", "des chevaux noirs"),
        ("cat", "huge", A, True, False, "some huge cats", "d'énormes chats"),
        ("woman", "happy", THIS, True, False, "these happy women", "ces femmes heureuses"),
        ("cake", "", A, False, True, "a cake", "de gâteau"),
        ("orange", "", A, False, True, "an orange", "d'orange"),
        ("orange", "red", A, True, True, "some red oranges", "d'oranges rouges"),
        ("orange", "", THE, False, True, "the orange", "l'orange"),
        ("hero", "", A, False, True, "a hero", "de héros"),
    ],
)
def test_noun_phrases_agree_and_elide(
    noun, adjective, determiner, plural, negated, english, french
):
    said = noun_phrase(NOUN[noun], ADJECTIVE[adjective], determiner, plural, negated)
    assert said == (english, french)


def test_the_english_article_goes_by_the_english_sound():
    phrases = [english for english, _ in clauses().phrases]
    found = [re.fullmatch(r"(an?) (\S+).*", phrase) for phrase in phrases]
    said = {article: {m[2] for m in found if m and m[1] == article} for article in ("a", "an")}
    assert said["an"] == {"owl", "apple", "orange", "old"}
    assert {"young", "huge", "hero", "horse"} < said["a"]
    assert not said["a"] & said["an"]
    task = translation()
    for index in range(3):
        sentences = task.sample("test", index, 512)
        for row in range(512):
            text = task.source_text(sentences, row)
            assert not re.search(r"\ba [aeio]|\ban [^aeio]", text), text


@pytest.mark.parametrize(
    ("verb", "past", "negated", "agreement", "english", "french"),
    [
        ("sleep", False, False, HE, "sleeps", "dort"),
        ("sleep", False, True, WE, "do not sleep", "ne dormons pas"),
        ("sleep", True, True, SHE, "did not sleep", "n'a pas dormi"),
        ("arrive", True, False, SHE, "arrived", "est arrivée"),
        ("arrive", True, True, THEY_FEMININE, "did not arrive", "ne sont pas arrivées"),
        ("leave", True, False, THEY, "left", "sont partis"),
        ("sing", True, False, THEY_FEMININE, "sang", "ont chanté"),
        ("love", False, True, HE, "does not love", "n'aime pas"),
        ("love", False, False, I, "love", "j'aime"),
        ("love", False, True, I, "do not love", "je n'aime pas"),
        ("see", True, False, I, "saw", "j'ai vu"),
        ("see", False, True, I, "do not see", "je ne vois pas"),
        ("fall", True, True, I, "did not fall", "je ne suis pas tombé"),
        ("look for", False, True, SHE, "does not look for", "ne cherche pas"),
        ("eat", False, False, WE, "eat", "mangeons"),
        ("buy", False, False, WE, "buy", "achetons"),
    ],
)
def test_verbs_agree_elide_and_are_negated(verb, past, negated, agreement, english, french):
    assert verb_phrase(VERB[verb], past, negated, agreement) == (english, french)


@pytest.mark.parametrize(
    ("adjective", "past", "negated", "agreement", "english", "french"),
    [
        ("red", False, False, HE, "is red", "est rouge"),
        ("white", False, True, SHE, "is not white", "n'est pas blanche"),
        ("happy", True, False, I, "was happy", "j'étais heureux"),
        ("old", True, True, THEY_FEMININE, "were not old", "n'étaient pas vieilles"),
        ("tired", False, True, WE, "are not tired", "ne sommes pas fatigués"),
    ],
)
def test_what_is_said_of_a_subject_agrees(adjective, past, negated, agreement, english, french):
    assert predicate(ADJECTIVE[adjective], past, negated, agreement) == (english, french)


def translation(layout: Layout = "encoder_decoder", level: str = "word", **settings) -> Translation:
    ours = {"max_clauses": 3, "path": None, "source": None, "max_words": None}
    settings = ours | FILES | settings
    return Translation(layout, 0, level=level, **settings)


def texts(task: Translation, split: Split, index: int = 0, n: int = 300, **wanted):
    batch = task.sample(split, index, n, **wanted)
    return [
        (task.source_text(batch, row), task.decode(batch.target[row][batch.mask[row]].tolist()))
        for row in range(len(batch.mask))
    ]


@pytest.mark.parametrize("level", LEVELS)
def test_sentences_elide_wherever_they_must_and_nowhere_else(level: str):
    vowel = "[aeiouyéèêâî]"
    for _, french in texts(translation(level=level), "train", n=1000):
        assert not re.search(rf"\b(le|la|je|ne|ce|de|que) (?={vowel})", french), french
        assert not re.search(r"'(?! ?[aeiouyéèêâîh])", french), french
        assert "l'hi" not in french or "l'hirondelle" in french or "l'histoire" in french
        assert french == french.strip()
        assert "  " not in french


def test_words_and_characters_say_the_same():
    by_word, by_character = (translation(level=level) for level in LEVELS)
    assert texts(by_word, "test") == texts(by_character, "test")
    assert any("parce qu'" in french for _, french in texts(by_word, "test"))


@pytest.mark.parametrize("level", LEVELS)
def test_a_sampled_source_can_be_typed(level: str):
    task = translation(level=level)
    batch = task.sample("val", 0, 50)
    for row in range(50):
        ids = batch.source[row][batch.source_mask[row]].tolist()
        assert task.encode(task.source_text(batch, row)) == ids


def test_an_unknown_word_is_named_with_a_near_one():
    with pytest.raises(ConfigError, match=r"'horsse'.*'horse'"):
        translation().encode("the horsse sleeps")


def test_sentences_have_from_one_to_most_clauses():
    connectives = {"and", "but", "because"}
    counts = [
        1 + sum(word in connectives for word in source.split())
        for source, _ in texts(translation(max_clauses=3), "train")
    ]
    assert set(counts) == {1, 2, 3}
    chosen = texts(translation(max_clauses=3), "train", length=5)
    assert all(sum(w in connectives for w in source.split()) == 4 for source, _ in chosen)


def contents(split: Split) -> set[tuple[str, ...]]:
    """Take clauses apart again: content words in order, all forms brought back to one."""
    found = set()
    forms = {"am": "be", "is": "be", "are": "be", "was": "be", "were": "be"}
    for noun in NOUNS:
        forms[noun.english_plural] = noun.english
    for verb in VERBS:
        forms |= {form.replace(" for", ""): verb.english[0] for form in verb.english}
    dropped = {"the", "a", "an", "some", "this", "these", "my", "for"}
    dropped |= {"do", "does", "did", "not"}
    for index in range(2):
        for source, _ in texts(translation(), split, index, n=1000):
            for clause in re.split(" (?:and|but|because) ", source):
                words = [word for word in clause.split() if word not in dropped]
                found.add(tuple(forms.get(word, word) for word in words))
    return found


def test_no_content_of_train_is_in_val_or_test_in_any_form():
    found = {split: contents(split) for split in SPLITS}
    assert min(map(len, found.values())) > 1000
    assert not found["train"] & found["val"]
    assert not found["train"] & found["test"]
    assert not found["val"] & found["test"]


def test_no_form_of_a_verb_is_asked_for_that_train_does_not_have():
    forms = {}
    for split in SPLITS:
        rows = clauses().contents[split].rows
        subject, verb, _ = rows[rows[:, 1] < len(VERBS)].T  # what follows are forms of `be`
        agreements = clauses().agreement[subject].T
        forms[split] = {
            (a, v) for agreement in agreements for a, v in zip(agreement, verb, strict=True)
        }
    assert forms["val"] <= forms["train"]
    assert forms["test"] <= forms["train"]


@pytest.mark.parametrize("split", SPLITS)
def test_each_split_has_contents_of_every_kind(split: Split):
    assert (clauses().contents[split].sizes > 0).all()
    parts = clauses().draw(np.random.default_rng(0), split, np.ones(4000, int))
    _, subject, verb, thing = parts.T
    spoken = [
        clauses().phrases.index(phrase)
        for phrase in (("he", "il"), ("she", "elle"), ("they", "ils"))
    ]
    pronoun = np.isin(subject, spoken)
    assert (verb > 0).all()
    for kind in (pronoun, ~pronoun):
        assert (kind & (thing == 0)).any()
        assert (kind & (thing > 0)).any()


@pytest.mark.parametrize("level", LEVELS)
def test_a_perfect_answer_scores_one_and_a_wrong_word_costs_bleu(level: str):
    task = translation(level=level)
    batch = task.sample("test", 0, 60)
    scorer, worse = task.scorer(), task.scorer()
    scorer.update(F.one_hot(batch.target, len(task.symbols)).float(), batch)
    assert scorer.compute() | {"loss": 0} == {"loss": 0, "accuracy": 1, "exact_match": 1} | TEXT
    for name, groups in scorer.breakdown().items():
        assert groups
        assert name == "sequences_by_length" or set(groups.values()) == {1.0}
    said = batch.target.clone()
    said[0, 0] = 4 if said[0, 0] != 4 else 5
    worse.update(F.one_hot(said, len(task.symbols)).float(), batch)
    assert 0.9 < worse.compute()["bleu"] < 1


def test_bleu_reads_an_answer_up_to_its_end():
    task = translation()
    batch = task.sample("test", 0, 60)
    said = batch.target.clone()
    said[:, 0] = task.end
    scorer = task.scorer()
    scorer.update(F.one_hot(said, len(task.symbols)).float(), batch)
    assert scorer.compute()["bleu"] == 0


def test_what_is_wrong_is_marked():
    task = translation("stream")
    batch = task.sample("test", 0, 1)
    said = batch.target.clone()
    said[0, int(batch.mask[0].int().argmax())] = task.encode("horse")[0]
    source, right, claims = task.show(
        batch, F.one_hot(said, len(task.symbols)).float()
    ).splitlines()
    assert source.startswith("source  ")
    assert right.startswith("right   ")
    assert claims.startswith("claims  horse ")
    assert claims.endswith("   x")


def pairs_file(tmp_path: Path, lines: list[str] | None = None) -> str:
    path = tmp_path / "pairs.tsv"
    lines = [f"number {i} .\tl'été n° {i} ." for i in range(40)] if lines is None else lines
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("level", LEVELS)
def test_pairs_of_a_file_are_all_seen_once_an_epoch_and_split_by_source(tmp_path: Path, level: str):
    lines = [f"number {i}\tl'été de {i}" for i in range(40)] + ["number 3\tautre"]
    task = translation(level=level, max_clauses=None, path=pairs_file(tmp_path, lines))
    seen = {}
    for split in SPLITS:
        batches = task.num_batches(split, 7)
        seen[split] = [pair for index in range(batches) for pair in texts(task, split, index, n=7)]
    everything = [pair for split in SPLITS for pair in seen[split]]
    assert sorted(everything) == sorted(tuple(line.split("\t")) for line in lines)
    assert [len({source for source, _ in seen[split]}) for split in SPLITS] == [32, 4, 4]
    assert len({source for source, _ in everything}) == 40
    epoch = task.num_batches("train", 7)
    again = [pair for index in range(epoch) for pair in texts(task, "train", epoch + index, n=7)]
    assert sorted(again) == sorted(seen["train"])
    assert again != seen["train"]
    assert texts(task, "test", task.num_batches("test", 7), n=7) == texts(task, "test", 0, n=7)


def test_accents_are_kept_however_they_are_composed(tmp_path: Path):
    lines = [f"summer {i}\te\u0301te\u0301 {i}" for i in range(20)]
    task = translation(max_clauses=None, path=pairs_file(tmp_path, lines))
    assert "été" in task.symbols
    assert texts(task, "train")[0][1].startswith("été ")


def test_words_are_joined_as_they_are_written(tmp_path: Path):
    task = translation(max_clauses=None, path=pairs_file(tmp_path))
    for text in ("l'été n'est pas fini, dit-on.", "don't go !"):
        assert task.join(task.cut(text)) == text


def unspaced(n: int) -> str:
    return "".join("天地玄黄宇宙洪荒"[int(digit)] for digit in f"{n:05o}")


def test_a_sentence_without_spaces_is_as_many_words_as_graphemes(tmp_path: Path):
    lines = [f"number {i}\t我喜欢{unspaced(i)}。" for i in range(40)]
    task = translation(max_clauses=None, path=pairs_file(tmp_path, lines))
    assert len(task.symbols) < 3 + 40 + 1 + 8 + 4 + 1
    right = {tuple(line.split("\t")) for line in lines}
    assert set(texts(task, "test", 0, n=4)) <= right
    assert list(task.warnings()) == []  # of the sources half of the words are new, and not most


@pytest.mark.parametrize("level", LEVELS)
def test_a_warning_says_when_most_held_out_words_are_new(tmp_path: Path, level: str):
    lines = [f"it is number {i}\t{'abcdefgh'[i % 8]}{i * i}" for i in range(40)]
    task = translation(level=level, max_clauses=None, path=pairs_file(tmp_path, lines))
    warned = [
        f"4 of the 4 words of targets in the {split} split never occur in training, so no model "
        "can know them: take task.level=character, or more pairs"
        for split in ("val", "test")
    ]
    assert list(task.warnings()) == (warned if level == "word" else [])
    assert list(translation(level=level).warnings()) == []


def test_splits_may_have_files_of_their_own(tmp_path: Path):
    paths = {"path": pairs_file(tmp_path)}
    for name, first in (("val", 38), ("test", 50)):
        paths[f"{name}_path"] = str(tmp_path / name)
        lines = (f"number {i} .\tl'été n° {i} .\n" for i in range(first, first + 4))
        (tmp_path / name).write_text("".join(lines), encoding="utf-8")
    task = translation(max_clauses=None, **paths)
    assert {split: len(task.rows[split]) for split in SPLITS} == {"train": 40, "val": 4, "test": 4}
    assert [text for text, _ in texts(task, "test")] == [f"number {i}." for i in range(50, 54)]
    assert list(task.warnings()) == [
        "2 of the 4 sources in task.val_path stand in train, too: of those the scores tell what "
        "was learnt by heart"
    ]
    del paths["val_path"]
    task = translation(max_clauses=None, **paths)
    assert {split: len(task.rows[split]) for split in SPLITS} == {"train": 36, "val": 4, "test": 4}
    Path(paths["test_path"]).write_text("a b\n")
    with pytest.raises(ConfigError, match=r"task\.test_path: every line .* line 1 .*test is 'a b'"):
        translation(max_clauses=None, **paths)


def test_rare_words_are_unknown(tmp_path: Path):
    lines = [f"number {i} .\tla {'nuit' if i % 2 else 'neige'} n° {i} ." for i in range(40)]
    task = translation(max_clauses=None, path=pairs_file(tmp_path, lines), min_count=10)
    assert task.symbols[task.num_specials :] == (
        "<unk>", ".", "la", "n", "neige", "nuit", "number", "°",
    )  # fmt: skip
    assert texts(task, "test")[0][0] == "number <unk>."
    assert task.source_text(task.prompt("number 1000", 1, None), 0) == "number <unk>"
    with pytest.raises(ConfigError, match=r"task\.min_count must leave some symbols, got 999"):
        translation(max_clauses=None, path=pairs_file(tmp_path, lines), min_count=999)


@pytest.mark.parametrize("key", ["val_path", "test_path", "min_count", "max_words", "encoding"])
def test_settings_of_files_are_refused_without_one(key: str):
    value = 3 if key in ("min_count", "max_words") else "utf-8"
    with pytest.raises(ConfigError, match=rf"task\.{key} must be null where .* got '?{value}"):
        translation(**{key: value})


def _bad(name: str, content: bytes | None, message: str):
    return pytest.param(content, message, id=name)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        _bad("missing", None, "is no file"),
        _bad("empty", b"", "is empty"),
        _bad("few", b"a\tb\n" * 30, "10 different rows or more to be split, got 1"),
        _bad("not_utf8", b"caf\xe9\tcoffee\n", "UTF-8"),
        _bad("nul", b"a\tb\0\n", "binary"),
        _bad("binary", bytes(range(256)), "UTF-8"),
        _bad("no_tab", b"a\tb\nc d\n", "line 2 .* 'c d'"),
        _bad("two_tabs", b"a\t\tc\n", "line 1 "),
        _bad("blank_line", b"a\tb\n\nc\td\n", "line 2 "),
        _bad("no_target", b"a\t\n", "line 1 "),
    ],
)
def test_a_file_that_holds_no_pairs_is_refused(tmp_path: Path, content: bytes | None, message: str):
    path = tmp_path / "pairs.tsv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        translation(max_clauses=None, path=str(path))


@pytest.mark.parametrize("rest", [b"\tCC-BY 2.0 (France)", b"\t", b""])
def test_further_columns_and_blank_lines_at_the_end_are_no_part_of_pairs(tmp_path: Path, rest):
    path = tmp_path / "pairs.tsv"
    path.write_bytes(b"".join(b"a%d\tb%d%s\n" % (i, i, rest) for i in range(12)) + b"\n\n")
    assert texts(translation(max_clauses=None, path=str(path)), "test", n=9) == [("a8", "b8")]


def test_a_directory_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="directory"):
        translation(max_clauses=None, path=str(tmp_path))


def test_settings_that_would_do_nothing_are_refused(tmp_path: Path):
    path = pairs_file(tmp_path)
    with pytest.raises(ConfigError, match="max_clauses must be null"):
        translation(max_clauses=2, path=path)
    with pytest.raises(ConfigError, match="max_clauses must be 1 or more"):
        translation(max_clauses=None)
    with pytest.raises(ConfigError, match="length"):
        translation(max_clauses=None, path=path).sample("test", 0, 2, length=3)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_any_line_ends_part_pairs(tmp_path: Path, end: bytes):
    path = tmp_path / "pairs.tsv"
    path.write_bytes(end.join(b"a%d\tb%d" % (i, i) for i in range(12)) + end)
    assert texts(translation(max_clauses=None, path=str(path)), "test", n=9) == [("a8", "b8")]


def test_windows_line_ends_and_a_byte_order_mark_are_read(tmp_path: Path):
    path = tmp_path / "pairs.tsv"
    path.write_bytes(b"\xef\xbb\xbf" + b"".join(b"a%d\tb%d\r\n" % (i, i) for i in range(12)))
    task = translation(max_clauses=None, path=str(path))
    assert {"a0", "b0"} <= set(task.symbols)
    assert not any("\r" in symbol or "\ufeff" in symbol for symbol in task.symbols)
    assert torch.equal(task.sample("train", 0, 3).input, task.sample("train", 0, 3).input)


def test_short_answers_have_no_bleu(tmp_path: Path):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"a{i}\tb{i} c d\n" for i in range(20)))
    task = translation(max_clauses=None, path=str(path))
    batch = task.sample("test", 0, 2)
    scorer = task.scorer()
    scorer.update(F.one_hot(batch.target, len(task.symbols)).float(), batch)
    assert scorer.compute()["exact_match"] == 1
    assert "bleu" not in scorer.compute()
