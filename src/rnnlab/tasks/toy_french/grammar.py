"""English phrases and their French translations: agreement, word order, elision, negation.

Agreement is an index from 0 to 5: I; masculine, feminine singular; we; masculine, feminine plural.
`I`, `we` and `they` are masculine.
"""

from rnnlab.tasks.toy_french.lexicon import (
    DETERMINERS,
    ENGLISH_VOWELS,
    INDEFINITE,
    VOWELS,
    Adjective,
    Noun,
    Verb,
)

NUM_AGREEMENTS = 6

_ETRE = ("suis", "est", "est", "sommes", "sont", "sont")
_AVOIR = ("ai", "a", "a", "avons", "ont", "ont")
_IMPERFECT = ("étais", "était", "était", "étions", "étaient", "étaient")
_ENDINGS = ("", "", "e", "s", "s", "es")
_PERSON = (0, 1, 1, 2, 3, 3)  # the form of a verb's present
_FORM = (0, 0, 1, 2, 2, 3)  # the form of an adjective


def elides(text: str) -> bool:
    """Whether a French phrase begins with a vowel; nouns in h never come first here."""
    return bool(text) and text[0] in VOWELS


def noun_phrase(
    noun: Noun, adjective: Adjective | None, determiner: int, plural: bool, negated: bool
) -> tuple[str, str]:
    """Return a noun phrase in English and French: `this old tree`, `ce vieil arbre`.

    `negated`: as the object of a negated verb, in which a and some become `de`.
    """
    english = [noun.english_plural if plural else noun.english]
    if adjective:
        english.insert(0, adjective.english)
    article = DETERMINERS[determiner][plural]
    english.insert(0, "an" if article == "a" and english[0][0] in ENGLISH_VOWELS else article)
    french = [noun.french_plural if plural else noun.french]
    vowel = noun.vowel
    if adjective:
        form = adjective.french[2 * plural + noun.gender]
        if adjective.before and vowel and not plural and not noun.gender:
            form = adjective.before_vowel
        french.insert(0 if adjective.before else 1, form)
        vowel = elides(form) if adjective.before else vowel
    preposed = adjective is not None and adjective.before
    if determiner == INDEFINITE and (negated or (plural and preposed)):
        word = "d'" if vowel else "de"
    else:
        word = _determiner(determiner, noun.gender, plural, vowel)
    return " ".join(english), french_text([word, *french])


def _determiner(determiner: int, gender: int, plural: bool, vowel: bool) -> str:
    _, _, masculine, before_vowel, feminine, many = DETERMINERS[determiner]
    if plural:
        return many
    if gender == 0:
        return before_vowel if vowel else masculine
    # l'épée and mon épée, but une épée and cette épée.
    return before_vowel if vowel and before_vowel in ("l'", "mon") else feminine


def verb_phrase(verb: Verb, past: bool, negated: bool, agreement: int) -> tuple[str, str]:
    """Return a verb phrase in English and French: `did not arrive`, `n'est pas arrivée`.

    For `I` the French contains the pronoun: `je n'ai pas vu`.
    """
    base, third, simple_past = verb.english
    singular = agreement in (1, 2)
    if negated:
        english = ["did" if past else "does" if singular else "do", "not", base]
    else:
        english = [simple_past if past else third if singular else base]
    if past:
        auxiliary = (_ETRE if verb.with_être else _AVOIR)[agreement]
        ending = _ENDINGS[agreement] if verb.with_être else ""
        return " ".join(english), _clause(auxiliary, [verb.participle + ending], negated, agreement)
    return " ".join(english), _clause(verb.french[_PERSON[agreement]], [], negated, agreement)


def predicate(adjective: Adjective, past: bool, negated: bool, agreement: int) -> tuple[str, str]:
    """Return `be` with an adjective in both: `were not red`, `n'étaient pas rouges`."""
    present = "am" if agreement == 0 else "is" if agreement in (1, 2) else "are"
    be = ("was" if agreement in (0, 1, 2) else "were") if past else present
    english = [be, *(["not"] if negated else []), adjective.english]
    finite = (_IMPERFECT if past else _ETRE)[agreement]
    form = adjective.french[_FORM[agreement]]
    return " ".join(english), _clause(finite, [form], negated, agreement)


def _clause(finite: str, rest: list[str], negated: bool, agreement: int) -> str:
    """Add `je` and `ne ... pas` to the finite verb."""
    words = [finite]
    if negated:
        words = ["n'" if elides(finite) else "ne", finite, "pas"]
    if agreement == 0:
        words.insert(0, "j'" if elides(words[0]) else "je")
    return french_text([*words, *rest])


def french_text(words: list[str]) -> str:
    """Join words with spaces, except after an apostrophe."""
    return " ".join(words).replace("' ", "'")
