"""Scores of answers: BLEU, the character F-score, edit distance."""

import pytest

from rnnlab.tasks.text_scores import chrf, edit_distance, error_rate, text_scores


def test_the_character_f_score_by_hand() -> None:
    # `abc` and `abd`: 2 of 3 letters, 1 of 2 pairs, 0 of 1 triple, each way.
    assert chrf(["a bc"], ["ab d"]) == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    # `ab` and `abab`: all 2 letters of 4, the pair of 3; recall weighs twice.
    precision, recall = 1.0, (2 / 4 + 1 / 3) / 2
    assert chrf(["ab"], ["abab"]) == pytest.approx(
        5 * precision * recall / (4 * precision + recall)
    )
    assert chrf(["xy"], ["ab"]) == chrf([""], ["ab"]) == 0
    assert chrf(["une épée"], ["une épée"]) == 1


def test_bleu_needs_four_words() -> None:
    assert text_scores(["a b c"], ["a b c"]) == {"chrf": 1}
    assert text_scores(["a b c d"], ["a b c d"]) == {"bleu": 1, "chrf": 1}


def test_edits_are_counted() -> None:
    assert edit_distance("kitten", "sitting") == 3
    assert edit_distance("", "abc") == edit_distance("abc", "") == 3
    assert error_rate(["kitten", ["a"]], ["sitting", ["a"]]) == 3 / 8
