"""Scores of answers beside right ones: BLEU, the character F-score, edit distance."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

_MOST, _BETA = 6, 2  # characters of an n-gram; weight of recall


def text_scores(claims: Sequence[str], rights: Sequence[str]) -> dict[str, float]:
    """Return `chrf`, and `bleu` if a right answer has 4 words or more, both 0 to 1.

    Args:
        claims: the answers, as words separated by spaces.
        rights: the right answers.
    """
    scores = {"chrf": chrf(claims, rights)}
    return {"bleu": bleu(claims, rights), **scores} if have_bleu(rights) else scores


def have_bleu(rights: Sequence[str]) -> bool:
    """Whether BLEU can be above 0: 4-grams need 4 words."""
    return any(len(right.split()) >= 4 for right in rights)


def bleu(claims: Sequence[str], rights: Sequence[str]) -> float:
    """Return corpus BLEU (Papineni et al., 2002; 4-grams of words, no smoothing, 0 to 1)."""
    bleu_score: Any
    from torchmetrics.functional.text import bleu_score  # slow to import

    return float(bleu_score(claims, [[right] for right in rights]))


def chrf(claims: Sequence[str], rights: Sequence[str]) -> float:
    """Return the corpus's character F-score, chrF2 (Popović, 2015), 0 to 1.

    Precision and recall of character n-grams without spaces are averaged over n = 1 to 6, of which
    both sides have some; recall counts twice as much as precision.
    """
    precisions, recalls = [], []
    for n in range(1, _MOST + 1):
        said = right = both = 0
        for claim, wanted in zip(claims, rights, strict=True):
            ours, theirs = Counter(_grams(claim, n)), Counter(_grams(wanted, n))
            said += ours.total()
            right += theirs.total()
            both += (ours & theirs).total()
        if said and right:
            precisions.append(both / said)
            recalls.append(both / right)
    precision, recall = sum(precisions), sum(recalls)
    if not precision + recall:
        return 0.0
    mean = (1 + _BETA**2) * precision * recall / (_BETA**2 * precision + recall)
    return mean / len(precisions)


def _grams(text: str, n: int) -> Iterator[str]:
    text = "".join(text.split())
    return (text[i : i + n] for i in range(len(text) - n + 1))


def error_rate(claims: Sequence[Sequence[str]], rights: Sequence[Sequence[str]]) -> float:
    """Return the edits that turn answers into right ones, per symbol of these; 0 is perfect.

    Edits are insertions, deletions and substitutions (Levenshtein, 1966).
    """
    pairs = zip(claims, rights, strict=True)
    return sum(edit_distance(claim, right) for claim, right in pairs) / sum(map(len, rights))


def edit_distance(one: Sequence[str], other: Sequence[str]) -> int:
    """Return the fewest insertions, deletions and substitutions between two sequences."""
    distances = list(range(len(other) + 1))
    for i, symbol in enumerate(one, start=1):
        diagonal, distances[0] = distances[0], i
        for j, wanted in enumerate(other, start=1):
            best = min(distances[j] + 1, distances[j - 1] + 1, diagonal + (symbol != wanted))
            diagonal, distances[j] = distances[j], best
    return distances[-1]
