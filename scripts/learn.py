"""What must be learnt, with the numbers reached: `python scripts/learn.py [NAME ...] [--write]`.

Trains each target with seed 0 as its command says, and with 19 more seeds as a sweep, in groups
where they can be stacked (4 more where one takes longer). Prints how many seeds kept the promise
and the median, and with `--write` puts them into docs/learnt.json and the table of docs/learnt.md,
with the commit, so that code and configs must be as committed. The slow tests train five seeds, of
which four must keep the promise, or a smaller share where a target says so.
"""

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rnnlab.inference.evaluate import evaluate
from rnnlab.reproductions.measures import score_of_third
from rnnlab.runs.environment import checkout
from rnnlab.runs.run import Run

ROOT = Path(__file__).resolve().parents[1]
RECORD, PAGE = ROOT / "docs" / "learnt.json", ROOT / "docs" / "learnt.md"
BEGIN, END = "<!-- learnt: made by scripts/learn.py -->\n", "<!-- end of learnt -->"
GROUPED = ["hydra/launcher=vectorized"]
MANY, FEW = 20, 5  # seeds of what is cheap to train, and of the rest
CHEAP = 16  # CPU seconds of one seed


@dataclass(frozen=True)
class Target:
    """An experiment, the number that is looked at, and what it must be.

    Attributes:
        words: the command line.
        quantity: what the number is.
        measure: takes it from the run.
        promise: what it must be, in words.
        holds: the same as a function.
        seconds: the budget of training, in CPU seconds.
        share: of the seeds, which must keep the promise; `None` for all but one.
    """

    words: tuple[str, ...]
    quantity: str
    measure: Callable[[Run], float]
    promise: str
    holds: Callable[[float], bool]
    seconds: int
    share: float | None = None

    def is_kept(self, kept: int, seeds: int) -> bool:
        """Return whether enough seeds kept the promise."""
        return kept >= (seeds - 1 if self.share is None else self.share * seeds)


def test(name: str) -> Callable[[Run], float]:
    """Take a metric of the test split."""
    return lambda run: float(run.results["test"][name])


def at_length(length: int, name: str) -> Callable[[Run], float]:
    """Take a metric of 200 sequences of a length."""

    def measure(run: Run) -> float:
        words = [f"task.length={length}", f"task.min_length={length}", "data.test_size=200"]
        experiment = run.open(words)
        scores = evaluate(experiment.model, experiment.task, experiment.batches("test")).compute()
        return scores[name]

    return measure


def coefficient_error(run: Run) -> float:
    """Compare a sine's two taps with 2 cos w and -1."""
    weights = run.model.get_parameter("readout.weight").flatten().tolist()
    omega = 2 * math.pi / run.experiment.task.period_steps  # type: ignore[attr-defined]
    return max(abs(weights[0] - 2 * math.cos(omega)), abs(weights[1] + 1))


def distance_from_least_squares(run: Run) -> float:
    """Compare the weights of delay taps with those that least squares find."""
    weights = run.model.get_parameter("readout.weight").detach().numpy()  # (1, K)
    fitted = run.experiment.task.least_squares(weights.shape[1])  # type: ignore[attr-defined]
    return float(abs(weights - fitted[:-1].T).max())


def validation(name: str) -> Callable[[Run], float]:
    """Take a metric of the validation split."""
    return lambda run: float(run.results["val"][name])


def of_train(name: str) -> Callable[[Run], float]:
    """Score the words that were learnt, by the last weights."""

    def measure(run: Run) -> float:
        experiment = run.open([], "last")
        task = experiment.task
        count = task.num_batches("train", 64)
        assert count is not None
        batches = (task.sample("train", index, 64) for index in range(count))
        return evaluate(experiment.model, task, batches).compute()[name]

    return measure


def ahead_of_neighbour(name: str) -> Callable[[Run], float]:
    """Subtract the nearest neighbour's score of the test split from that of free running."""
    return lambda run: test(f"free_{name}")(run) - run.results["floor"][f"{name}_nearest_neighbour"]


def longest_third(run: Run) -> float:
    """Score exact match on the third of the test sources that are longest."""
    return score_of_third(run, metric="exact_match", third="longest")


def at_least(bound: float) -> dict[str, Any]:
    """Promise a number of at least `bound`, in single precision."""
    return {"promise": f">= {bound:g}", "holds": lambda value: value >= bound - 1e-6}


def above(bound: float) -> dict[str, Any]:
    """Promise a number above `bound`."""
    return {"promise": f"> {bound:g}", "holds": lambda value: value > bound}


def below(bound: float) -> dict[str, Any]:
    """Promise a number below `bound`."""
    return {"promise": f"< {bound:g}", "holds": lambda value: value < bound}


def between(low: float, high: float) -> dict[str, Any]:
    """Promise a number in a range."""
    return {"promise": f"{low:g} to {high:g}", "holds": lambda value: low <= value <= high}


def _target(
    words: str, quantity: str, measure: Callable[[Run], float], seconds: int, **more: Any
) -> Target:
    return Target(tuple(words.split()), quantity, measure, seconds=seconds, **more)


TARGETS = {
    "copy_lstm": _target(
        "experiment=copy_lstm", "recall accuracy", test("accuracy"), 60, **at_least(0.99)
    ),
    "copy_ar_ffn": _target(
        "experiment=copy_ar_ffn", "recall accuracy", test("accuracy"), 60, **at_least(0.99)
    ),
    "copy_ar_ffn_short": _target(
        "experiment=copy_ar_ffn model.cell.taps=30",
        "recall accuracy, one tap too few (chance 0.125)",
        test("accuracy"),
        60,
        **between(0.095, 0.155),
    ),
    "copy_seq2seq": _target(
        "experiment=copy_seq2seq", "recall accuracy", test("free_accuracy"), 60, **at_least(0.99)
    ),
    "copy_transformer": _target(
        "experiment=copy_transformer", "recall accuracy", test("accuracy"), 60, **at_least(0.99)
    ),
    "copy_mrnn": _target(
        "experiment=copy_mrnn", "recall accuracy", test("accuracy"), 60, **at_least(0.99)
    ),
    "addition_seq2seq": _target(
        "experiment=addition_seq2seq",
        "exact match",
        test("free_exact_match"),
        180,
        **at_least(0.95),
    ),
    "addition_transformer_seq2seq": _target(
        "experiment=addition_transformer_seq2seq",
        "exact match",
        test("free_exact_match"),
        180,
        **at_least(0.95),
    ),
    "addition_binary_elman": _target(
        "experiment=addition_binary_elman",
        "exact match on 200 sums of 100 bits",
        at_length(100, "exact_match"),
        60,
        **at_least(1.0),
    ),
    "parity_elman": _target(
        "experiment=parity_elman",
        "accuracy on 100 bits",
        at_length(100, "accuracy"),
        60,
        share=0.8,
        **at_least(0.99),
    ),
    "addition_marked_lstm": _target(
        "experiment=addition_marked_lstm", "MSE (floor 0.167)", test("loss"), 60, **below(0.01)
    ),
    "addition_marked_gru": _target(
        "experiment=addition_marked_gru", "MSE (floor 0.167)", test("loss"), 60, **below(0.01)
    ),
    "addition_marked_min_gru": _target(
        "experiment=addition_marked_min_gru",
        "MSE (floor 0.167)",
        test("loss"),
        60,
        **below(0.01),
    ),
    "addition_marked_elman_1": _target(
        "experiment=addition_marked_elman_1",
        "MSE (floor 0.167), one-step BPTT",
        test("loss"),
        60,
        **between(0.15, 0.2),
    ),
    "oscillation_sine_ar": _target(
        "experiment=oscillation_sine_ar",
        "error of the coefficients 2 cos w, -1",
        coefficient_error,
        10,
        **below(1e-3),
    ),
    "oscillation_sine_ar_free": _target(
        "experiment=oscillation_sine_ar",
        "largest distance over 20 free periods",
        test("free_max_distance"),
        10,
        **below(0.01),
    ),
    "oscillation_figure_eight_elman": _target(
        "experiment=oscillation_figure_eight_elman",
        "largest distance over 20 free periods",
        test("free_max_distance"),
        60,
        **below(0.05),
    ),
    "oscillation_figure_eight_ctrnn": _target(
        "experiment=oscillation_figure_eight_ctrnn",
        "largest distance over 20 free periods",
        test("free_max_distance"),
        60,
        **below(0.05),
    ),
    "oscillation_figure_eight_lstm": _target(
        "experiment=oscillation_figure_eight_lstm",
        "relative error of the period, running free",
        test("free_period_error"),
        60,
        **below(0.03),
    ),
    "oscillation_four_corners_jordan": _target(
        "experiment=oscillation_four_corners_jordan",
        "steps on the cycle, 20 free periods",
        test("free_on_cycle"),
        20,
        **at_least(1.0),
    ),
    "translation_attention": _target(
        "experiment=translation_attention",
        "exact match on unseen combinations",
        test("free_exact_match"),
        180,
        **at_least(0.95),
    ),
    "translation_attention_long": _target(
        "experiment=translation_attention",
        "exact match, longest third",
        longest_third,
        180,
        **at_least(0.9),
    ),
    "translation_fixed_long": _target(
        "experiment=translation_fixed",
        "exact match, longest third, no attention",
        longest_third,
        180,
        **below(0.7),
    ),
    "translation_django": _target(
        "experiment=translation_django",
        "BLEU of 87 messages (nearest neighbour 0.28)",
        test("free_bleu"),
        300,
        **between(0.15, 0.28),
    ),
    "translation_messages_bleu": _target(
        "experiment=translation_messages",
        "BLEU of 969 messages, less the nearest neighbour's 0.33",
        ahead_of_neighbour("bleu"),
        900,
        **above(0),
    ),
    "translation_messages_chrf": _target(
        "experiment=translation_messages",
        "character F-score of 969 messages, less the nearest neighbour's 0.54",
        ahead_of_neighbour("chrf"),
        900,
        **above(0),
    ),
    "next_char_lstm": _target(
        "experiment=next_char_lstm", "nats per character", test("loss"), 180, **below(1.6)
    ),
    "next_word_lstm": _target(
        "experiment=next_word_lstm",
        "perplexity per word on val (bigram model 69.6)",
        validation("perplexity"),
        600,
        **below(60),
    ),
    "scan_attention": _target(
        "experiment=scan_attention",
        "exact match on commands like those of training",
        test("free_exact_match"),
        600,
        **at_least(0.97),
    ),
    "scan_attention_length": _target(
        "experiment=scan_attention task.by=length",
        "exact match on longer commands (Lake and Baroni, 2018: 0.138)",
        test("free_exact_match"),
        600,
        **below(0.3),
    ),
    "scan_attention_jump": _target(
        "experiment=scan_attention task.by=jump",
        "exact match on commands of a new verb (Lake and Baroni, 2018: 0.012)",
        test("free_exact_match"),
        600,
        **below(0.1),
    ),
    "series_yule_ar": _target(
        "experiment=series_yule_ar",
        "distance from the coefficients by least squares",
        distance_from_least_squares,
        10,
        **below(1e-4),
    ),
    "series_sunspots_ar": _target(
        "experiment=series_sunspots_ar",
        "one-step error on 1921-1955 over the variance",
        validation("nmse"),
        10,
        **between(0.12, 0.14),
    ),
    "series_mackey_glass_ar_ffn": _target(
        "experiment=series_mackey_glass_ar_ffn",
        "NRMSE six units of time ahead",
        test("nrmse"),
        20,
        **below(0.03),
    ),
    "digits_gru": _target(
        "experiment=digits_gru",
        "accuracy row by row",
        test("accuracy"),
        120,
        **at_least(0.97),
    ),
    "digits_pixels_gru": _target(
        "experiment=digits_pixels_gru",
        "accuracy pixel by pixel",
        test("accuracy"),
        300,
        **at_least(0.9),
    ),
    "next_pixel_lstm": _target(
        "experiment=next_pixel_lstm",
        "bits per pixel (neighbours left and above 2.41)",
        test("bits_per_pixel"),
        180,
        **below(2.1),
    ),
    "labels_gru": _target(
        "experiment=labels_gru",
        "accuracy (naive Bayes 0.90)",
        test("accuracy"),
        60,
        **at_least(0.98),
    ),
    "caption_attention": _target(
        "experiment=caption_attention",
        "exact match on unseen combinations (told where each digit stands 0.96)",
        test("free_exact_match"),
        300,
        **at_least(0.9),
    ),
    "speech_attention": _target(
        "experiment=speech_attention",
        "character error on unseen words, speakers and tempi (nearest neighbour 0.58)",
        test("free_character_error"),
        300,
        **below(0.05),
    ),
    "phonemes_aligned_elman": _target(
        "experiment=phonemes_aligned_elman",
        "sounds of letters right, of the 1,000 words learnt",
        of_train("accuracy"),
        60,
        **at_least(0.95),
    ),
    "phonemes_aligned_elman_unseen": _target(
        "experiment=phonemes_aligned_elman",
        "phoneme error on unseen words (letter by letter 0.43)",
        test("phoneme_error"),
        60,
        **below(0.25),
    ),
    "phonemes_attention": _target(
        "experiment=phonemes_attention",
        "phoneme error on unseen words (letter by letter 0.42)",
        test("free_phoneme_error"),
        300,
        **below(0.2),
    ),
    "motions_gru": _target(
        "experiment=motions_gru",
        "accuracy (nearest neighbour 0.57)",
        test("accuracy"),
        60,
        **at_least(0.9),
    ),
    "speech_ctc": _target(
        "experiment=speech_ctc",
        "character error on unseen words, speakers and tempi (nearest neighbour 0.58)",
        test("character_error"),
        120,
        **below(0.05),
    ),
    "copy_ntm": _target(
        "experiment=copy_ntm",
        "recall accuracy of 12 symbols, trained on 6 (chance 0.125)",
        at_length(12, "accuracy"),
        180,
        **at_least(0.5),
    ),
    "copy_reverse_stack_rnn": _target(
        "experiment=copy_reverse_stack_rnn",
        "recall accuracy of 12 symbols, trained on 6 (chance 0.125)",
        at_length(12, "accuracy"),
        120,
        share=0.8,
        **at_least(0.85),
    ),
    "reber_lstm": _target(
        "experiment=reber_lstm",
        "strings with legal symbols alone ahead",
        test("legal_strings"),
        60,
        **at_least(0.99),
    ),
    "temporal_order_lstm": _target(
        "experiment=temporal_order_lstm", "accuracy", test("accuracy"), 60, **at_least(0.99)
    ),
    "counting_lstm": _target(
        "experiment=counting_lstm",
        "strings of n = 12 right, trained on 10",
        at_length(12, "exact_match"),
        60,
        **at_least(0.99),
    ),
    "flip_flop_gru": _target(
        "experiment=flip_flop_gru", "sequences right", test("exact_match"), 60, **at_least(0.99)
    ),
    "regular_lstm": _target(
        "experiment=regular_lstm",
        "accuracy on a circle, 250 steps, trained on 40",
        at_length(250, "accuracy"),
        60,
        **at_least(0.99),
    ),
    "latch_lstm": _target(
        "experiment=latch_lstm", "accuracy", test("accuracy"), 60, **at_least(0.99)
    ),
    "morse_elman": _target(
        "experiment=morse_elman",
        "share of the 26 letters right at every step",
        test("exact_match"),
        60,
        **at_least(1.0),
    ),
    "sentences_gru": _target(
        "experiment=sentences_gru",
        "cosine to the words' probabilities (last word alone 0.865; Elman, 1990: 0.916)",
        test("cosine"),
        60,
        **at_least(0.98),
    ),
    "gap_lstm": _target(
        "experiment=gap_lstm",
        "second triggers right, after 20 symbols (chance 0.5)",
        test("trigger"),
        60,
        **at_least(0.99),
    ),
    "adder_program_jordan": _target(
        "experiment=adder_program_jordan",
        "sums right, by its own actions",
        test("free_exact_match"),
        60,
        **at_least(0.99),
    ),
    "speakers_gru": _target(
        "experiment=speakers_gru", "accuracy", test("accuracy"), 60, **at_least(0.95)
    ),
    "gestures_gru": _target(
        "experiment=gestures_gru",
        "accuracy (nearest neighbour 0.913)",
        test("accuracy"),
        60,
        share=0.5,  # seeds differ widely
        **above(0.913),
    ),
}


def runs_of(words: Sequence[str], seeds: int, directory: Path) -> list[Run]:
    """Train seed 0 alone and the others as a sweep; what has been trained is not trained again.

    Returns:
        The runs, seed 0 first.

    Raises:
        CalledProcessError: a job of the sweep failed.
    """
    command = [sys.executable, str(ROOT / "scripts" / "train.py"), "-m", *words]
    name = re.sub(r"[^\w]+", "-", "_".join(words))
    chosen = [f"output_dir={directory}", f"sweep_name={name}", "watch=none"]
    subprocess.run([*command, *chosen, "seed=0"], check=True)
    if seeds > 1:
        subprocess.run([*command, *chosen, f"seed=range(1,{seeds})", *GROUPED], check=True)
    runs = [Run.load(path.parent) for path in directory.glob(f"sweeps/{name}/[!.]*/run.json")]
    return sorted((run for run in runs if run.config.seed < seeds), key=lambda run: run.config.seed)


def commit_of_this() -> str | None:
    """Return the commit that numbers made here are of, `None` where the code is no commit's."""
    git = checkout(Path(__file__))
    return None if git is None or git["dirty"] else git["commit"][:9]


def main() -> None:
    """Train what is named, or all."""
    names = [word for word in sys.argv[1:] if not word.startswith("-")]
    wrong = [name for name in names if name not in TARGETS]
    if wrong:
        print(f"learn: {wrong[0]} is no target: it takes {', '.join(TARGETS)}", file=sys.stderr)
        sys.exit(2)
    writes = "--write" in sys.argv
    commit = commit_of_this() if writes else None
    if writes and commit is None:
        print(
            f"learn: --write needs src, configs and scripts as committed in {ROOT}", file=sys.stderr
        )
        sys.exit(2)
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    for name in names or TARGETS:
        target = TARGETS[name]
        (first,) = runs_of(target.words, 1, ROOT / "outputs/learn")
        seeds = MANY if first.card["cpu_seconds"] < CHEAP else FEW
        runs = runs_of(target.words, seeds, ROOT / "outputs/learn")
        values = [target.measure(run) for run in runs]
        record[name] = {
            "command": " ".join(["rnnlab-train", *target.words]),
            "model": runs[0].results["model"],
            "task": runs[0].results["task"],
            "quantity": target.quantity,
            "promise": target.promise,
            "median": median(values),
            "values": values,
            "kept": sum(map(target.holds, values)),
            "parameters": runs[0].results["parameters"],
            "seconds": runs[0].card["seconds"],
            "cpu_seconds": runs[0].card["cpu_seconds"],
            "budget_seconds": target.seconds,
            "commit": commit,
        }
        print(_row(record[name]), flush=True)
        if writes:
            RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
            write_table(record)


def write_table(record: dict[str, Any]) -> None:
    """Replace the page's table."""
    lines = [
        "| task | model | what | must be | median | kept by | CPU seconds | command |",
        "|---|---|---|---|---|---|---|---|",
        *(_row(record[name]) for name in TARGETS if name in record),
    ]
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(before + BEGIN + "\n".join(lines) + "\n" + END + after, encoding="utf-8")


def _row(entry: dict[str, Any]) -> str:
    return (
        f"| {entry['task']} | {entry['model']} | {entry['quantity']} | {entry['promise']} | "
        f"{entry['median']:.4g} | {entry['kept']} of {len(entry['values'])} seeds | "
        f"{entry['cpu_seconds']:.0f} | "
        f"`{entry['command']}` |"
    )


if __name__ == "__main__":
    main()
