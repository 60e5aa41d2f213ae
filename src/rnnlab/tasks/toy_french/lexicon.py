"""The words of the toy grammar, with the forms that agreement needs."""

from typing import NamedTuple

VOWELS = frozenset("aeiouyéèêâîôûœ")  # of French
ENGLISH_VOWELS = frozenset("aeiou")  # no word here has a mute h (hour) or a u that sounds like you


class Noun(NamedTuple):
    """A noun and its four forms.

    Attributes:
        gender: 0 masculine, 1 feminine.
        kind: person, animal, thing, text or food, which restricts verbs and adjectives.
        vowel: whether a word before it is elided; nouns in h differ in this.
    """

    english: str
    english_plural: str
    french: str
    french_plural: str
    gender: int
    kind: str
    vowel: bool


class Adjective(NamedTuple):
    """An adjective and its forms.

    Attributes:
        french: masculine, feminine, masculine plural, feminine plural.
        before_vowel: the masculine before a noun that begins with a vowel.
        before: whether it precedes its noun.
        kinds: kinds of nouns that it can describe.
    """

    english: str
    french: tuple[str, str, str, str]
    before_vowel: str
    before: bool
    kinds: str


class Verb(NamedTuple):
    """A verb and its forms.

    Attributes:
        english: base, third person singular, past.
        french: first person singular, third singular, first plural, third plural; present.
        participle: masculine singular.
        with_être: whether the perfect is formed with être, and the participle agrees.
        kinds: kinds of nouns that can be its object; empty for none.
    """

    english: tuple[str, str, str]
    french: tuple[str, str, str, str]
    participle: str
    with_être: bool
    kinds: str


def _noun(english: str, french: str, gender: str, kind: str, plurals: str = "") -> Noun:
    """Make a noun; irregular `plurals` are `english french`, and h* is an aspirated h."""
    aspirated = french.startswith("h*")
    french = french.replace("*", "")
    vowel = french[0] in VOWELS or (french[0] == "h" and not aspirated)
    many, plusieurs = plurals.split() if plurals else (english + "s", french + "s")
    return Noun(english, many, french, plusieurs, "mf".index(gender), kind, vowel)


def _adjective(english: str, french: str, position: str, kinds: str) -> Adjective:
    """Make an adjective from `masculine feminine [plural plural [before-vowel]]`, or one in e."""
    forms = french.split()
    if len(forms) == 1:
        forms *= 2
    if len(forms) == 2:
        forms += [form + "s" for form in forms]
    masculine, feminine, masculines, feminines, *special = forms
    return Adjective(
        english,
        (masculine, feminine, masculines, feminines),
        special[0] if special else masculine,
        position == "before",
        kinds,
    )


def _verb(
    english: str, french: str, participle: str, kinds: str = "", with_être: bool = False
) -> Verb:
    """Make a verb; English forms are separated by slashes, a regular French verb is `stem-`."""
    base, third, past = english.split("/")
    if french.endswith("-"):
        stem = french[:-1]
        forms = [stem + "e", stem + "e", stem + "ons", stem + "ent"]
    else:
        forms = french.split()
    first, singular, we, plural = forms
    return Verb((base, third, past), (first, singular, we, plural), participle, with_être, kinds)


NOUNS = (
    _noun("man", "homme", "m", "person", "men hommes"),
    _noun("woman", "femme", "f", "person", "women femmes"),
    _noun("child", "enfant", "m", "person", "children enfants"),
    _noun("girl", "fille", "f", "person"),
    _noun("boy", "garçon", "m", "person"),
    _noun("neighbour", "voisine", "f", "person"),
    _noun("student", "étudiante", "f", "person"),
    _noun("hero", "h*éros", "m", "person", "heroes héros"),
    _noun("cat", "chat", "m", "animal"),
    _noun("dog", "chien", "m", "animal"),
    _noun("bird", "oiseau", "m", "animal", "birds oiseaux"),
    _noun("horse", "cheval", "m", "animal", "horses chevaux"),
    _noun("cow", "vache", "f", "animal"),
    _noun("owl", "h*ibou", "m", "animal", "owls hiboux"),
    _noun("swallow", "hirondelle", "f", "animal"),
    _noun("house", "maison", "f", "thing"),
    _noun("tree", "arbre", "m", "thing"),
    _noun("hat", "chapeau", "m", "thing", "hats chapeaux"),
    _noun("car", "voiture", "f", "thing"),
    _noun("flower", "fleur", "f", "thing"),
    _noun("sword", "épée", "f", "thing"),
    _noun("letter", "lettre", "f", "text"),
    _noun("book", "livre", "m", "text"),
    _noun("story", "histoire", "f", "text", "stories histoires"),
    _noun("apple", "pomme", "f", "food"),
    _noun("orange", "orange", "f", "food"),
    _noun("cake", "gâteau", "m", "food", "cakes gâteaux"),
)

_ALIVE = "person animal"
_OBJECT = "thing text food"
_ALL = f"{_ALIVE} {_OBJECT}"

ADJECTIVES = (
    _adjective("small", "petit petite", "before", _ALL),
    _adjective("big", "grand grande", "before", _ALL),
    _adjective("old", "vieux vieille vieux vieilles vieil", "before", f"{_ALIVE} thing text"),
    _adjective("beautiful", "beau belle beaux belles bel", "before", _ALL),
    _adjective("new", "nouveau nouvelle nouveaux nouvelles nouvel", "before", "thing text"),
    _adjective("young", "jeune", "before", _ALIVE),
    _adjective("huge", "énorme", "before", "animal thing food"),
    _adjective("red", "rouge", "after", "animal thing food"),
    _adjective("black", "noir noire", "after", "animal thing"),
    _adjective("white", "blanc blanche", "after", "animal thing"),
    _adjective("happy", "heureux heureuse heureux heureuses", "after", _ALIVE),
    _adjective("tired", "fatigué fatiguée", "after", _ALIVE),
    _adjective("sad", "triste", "after", f"{_ALIVE} text"),
)

VERBS = (
    _verb("sleep/sleeps/slept", "dors dort dormons dorment", "dormi"),
    _verb("sing/sings/sang", "chante chante chantons chantent", "chanté"),
    _verb("run/runs/ran", "cours court courons courent", "couru"),
    _verb("wait/waits/waited", "attends attend attendons attendent", "attendu"),
    _verb("laugh/laughs/laughed", "ris rit rions rient", "ri"),
    _verb("arrive/arrives/arrived", "arriv-", "arrivé", with_être=True),
    _verb("leave/leaves/left", "pars part partons partent", "parti", with_être=True),
    _verb("fall/falls/fell", "tomb-", "tombé", with_être=True),
    _verb("stay/stays/stayed", "rest-", "resté", with_être=True),
    _verb("return/returns/returned", "reviens revient revenons reviennent", "revenu", "", True),
    _verb("see/sees/saw", "vois voit voyons voient", "vu", _ALL),
    _verb("love/loves/loved", "aim-", "aimé", _ALL),
    _verb("look for/looks for/looked for", "cherch-", "cherché", _ALL),
    _verb("find/finds/found", "trouv-", "trouvé", _ALL),
    _verb("draw/draws/drew", "dessin-", "dessiné", _ALL),
    _verb("hear/hears/heard", "entends entend entendons entendent", "entendu", _ALIVE),
    _verb("follow/follows/followed", "suis suit suivons suivent", "suivi", _ALIVE),
    _verb("buy/buys/bought", "achète achète achetons achètent", "acheté", f"animal {_OBJECT}"),
    _verb("want/wants/wanted", "veux veut voulons veulent", "voulu", f"animal {_OBJECT}"),
    _verb("receive/receives/received", "reçois reçoit recevons reçoivent", "reçu", "text"),
    _verb("write/writes/wrote", "écris écrit écrivons écrivent", "écrit", "text"),
    _verb("eat/eats/ate", "mange mange mangeons mangent", "mangé", "food"),
)

# English; French; agreement as in `grammar.py`.
PRONOUNS = (
    ("I", "", 0),
    ("he", "il", 1),
    ("she", "elle", 2),
    ("we", "nous", 3),
    ("they", "ils", 4),
)

# English singular, plural; French masculine, before a vowel, feminine, plural.
DETERMINERS = (
    ("the", "the", "le", "l'", "la", "les"),
    ("a", "some", "un", "un", "une", "des"),
    ("this", "these", "ce", "cet", "cette", "ces"),
    ("my", "my", "mon", "mon", "ma", "mes"),
)
INDEFINITE = 1
