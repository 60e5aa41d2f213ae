"""What must be learnt, with the numbers reached: `python scripts/learn.py [NAME ...] [--write]`.

Trains each target with seed 0 as its command says, and with 19 more seeds as a sweep, in groups
where they can be stacked (4 more where one takes longer). Prints how many seeds kept the promise
and the median, and with `--write` puts them into docs/learnt.json and the table of docs/learnt.md,
with the commit, so that code and configs must be as committed. The slow tests train five seeds, of
which four must keep the promise, or a smaller share where a target says so.
"""

import math
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import record
from record import ROOT
from rnnlab.inference.evaluate import evaluate
from rnnlab.reproductions.bound import Bound
from rnnlab.reproductions.measures import score_of_third
from rnnlab.reproductions.outcome import number_at
from rnnlab.runs.run import Run

RECORD, PAGE = ROOT / "docs" / "learnt.json", ROOT / "docs" / "learnt.md"
GROUPED = ["hydra/launcher=vectorized"]
MANY, FEW = 20, 5  # seeds of what is cheap to train, and of the rest
CHEAP = 16  # CPU seconds of one seed


@dataclass(frozen=True)
class Target:
    """An experiment, the number that is looked at, and what it must be.

    Attributes:
        words: the command line.
        quantity: what the number is.
        measure: its path in `results.json`, such as `test/accuracy`, or a function of the run.
        promise: what it must be, as `Bound.read` reads it.
        seconds: the budget of training, in CPU seconds.
        share: of the seeds, which must keep the promise; `None` for all but one.
    """

    words: str
    quantity: str
    measure: str | Callable[[Run], float]
    promise: str
    seconds: int
    share: float | None = None

    def value(self, run: Run) -> float:
        """Return the number of a run."""
        if isinstance(self.measure, str):
            return number_at(run, self.measure)
        return self.measure(run)

    def holds(self, value: float) -> bool:
        """Return whether a number is what it must be."""
        return Bound.read(self.promise).holds(value)

    def is_kept(self, kept: int, seeds: int) -> bool:
        """Return whether enough seeds kept the promise."""
        return kept >= (seeds - 1 if self.share is None else self.share * seeds)


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
    return lambda run: (
        run.results["test"][f"free_{name}"] - run.results["floor"][f"{name}_nearest_neighbour"]
    )


def longest_third(run: Run) -> float:
    """Score exact match on the third of the test sources that are longest."""
    return score_of_third(run, metric="exact_match", third="longest")


TARGETS = {
    "copy_lstm": Target("experiment=copy_lstm", "recall accuracy", "test/accuracy", ">= 0.99", 60),
    "copy_ar_ffn": Target(
        "experiment=copy_ar_ffn", "recall accuracy", "test/accuracy", ">= 0.99", 60
    ),
    "copy_ar_ffn_short": Target(
        "experiment=copy_ar_ffn model.cell.taps=30",
        "recall accuracy, one tap too few (chance 0.125)",
        "test/accuracy",
        "0.095 to 0.155",
        60,
    ),
    "copy_seq2seq": Target(
        "experiment=copy_seq2seq", "recall accuracy", "test/free_accuracy", ">= 0.99", 60
    ),
    "copy_transformer": Target(
        "experiment=copy_transformer", "recall accuracy", "test/accuracy", ">= 0.99", 60
    ),
    "copy_mrnn": Target("experiment=copy_mrnn", "recall accuracy", "test/accuracy", ">= 0.99", 60),
    "addition_seq2seq": Target(
        "experiment=addition_seq2seq", "exact match", "test/free_exact_match", ">= 0.95", 180
    ),
    "addition_transformer_seq2seq": Target(
        "experiment=addition_transformer_seq2seq",
        "exact match",
        "test/free_exact_match",
        ">= 0.95",
        180,
    ),
    "addition_binary_elman": Target(
        "experiment=addition_binary_elman",
        "exact match on 200 sums of 100 bits",
        at_length(100, "exact_match"),
        ">= 1",
        60,
    ),
    "parity_elman": Target(
        "experiment=parity_elman",
        "accuracy on 100 bits",
        at_length(100, "accuracy"),
        ">= 0.99",
        60,
        share=0.8,
    ),
    "addition_marked_lstm": Target(
        "experiment=addition_marked_lstm", "MSE (floor 0.167)", "test/loss", "< 0.01", 60
    ),
    "addition_marked_gru": Target(
        "experiment=addition_marked_gru", "MSE (floor 0.167)", "test/loss", "< 0.01", 60
    ),
    "addition_marked_min_gru": Target(
        "experiment=addition_marked_min_gru", "MSE (floor 0.167)", "test/loss", "< 0.01", 60
    ),
    "addition_marked_elman_1": Target(
        "experiment=addition_marked_elman_1",
        "MSE (floor 0.167), one-step BPTT",
        "test/loss",
        "0.15 to 0.2",
        60,
    ),
    "oscillation_sine_ar": Target(
        "experiment=oscillation_sine_ar",
        "error of the coefficients 2 cos w, -1",
        coefficient_error,
        "< 0.001",
        10,
    ),
    "oscillation_sine_ar_free": Target(
        "experiment=oscillation_sine_ar",
        "largest distance over 20 free periods",
        "test/free_max_distance",
        "< 0.01",
        10,
    ),
    "oscillation_figure_eight_elman": Target(
        "experiment=oscillation_figure_eight_elman",
        "largest distance over 20 free periods",
        "test/free_max_distance",
        "< 0.05",
        60,
    ),
    "oscillation_figure_eight_ctrnn": Target(
        "experiment=oscillation_figure_eight_ctrnn",
        "largest distance over 20 free periods",
        "test/free_max_distance",
        "< 0.05",
        60,
    ),
    "oscillation_figure_eight_lstm": Target(
        "experiment=oscillation_figure_eight_lstm",
        "relative error of the period, running free",
        "test/free_period_error",
        "< 0.03",
        60,
    ),
    "oscillation_four_corners_jordan": Target(
        "experiment=oscillation_four_corners_jordan",
        "steps on the cycle, 20 free periods",
        "test/free_on_cycle",
        ">= 1",
        20,
    ),
    "translation_attention": Target(
        "experiment=translation_attention",
        "exact match on unseen combinations",
        "test/free_exact_match",
        ">= 0.95",
        180,
    ),
    "translation_attention_long": Target(
        "experiment=translation_attention",
        "exact match, longest third",
        longest_third,
        ">= 0.9",
        180,
    ),
    "translation_fixed_long": Target(
        "experiment=translation_fixed",
        "exact match, longest third, no attention",
        longest_third,
        "< 0.7",
        180,
    ),
    "translation_django": Target(
        "experiment=translation_django",
        "BLEU of 87 messages (nearest neighbour 0.28)",
        "test/free_bleu",
        "0.15 to 0.28",
        300,
    ),
    "translation_messages_bleu": Target(
        "experiment=translation_messages",
        "BLEU of 969 messages, less the nearest neighbour's 0.33",
        ahead_of_neighbour("bleu"),
        "> 0",
        900,
    ),
    "translation_messages_chrf": Target(
        "experiment=translation_messages",
        "character F-score of 969 messages, less the nearest neighbour's 0.54",
        ahead_of_neighbour("chrf"),
        "> 0",
        900,
    ),
    "next_char_lstm": Target(
        "experiment=next_char_lstm", "nats per character", "test/loss", "< 1.6", 180
    ),
    "next_word_lstm": Target(
        "experiment=next_word_lstm",
        "perplexity per word on val (bigram model 69.6)",
        "val/perplexity",
        "< 60",
        600,
    ),
    "scan_attention": Target(
        "experiment=scan_attention",
        "exact match on commands like those of training",
        "test/free_exact_match",
        ">= 0.97",
        600,
    ),
    "scan_attention_length": Target(
        "experiment=scan_attention task.by=length",
        "exact match on longer commands (Lake and Baroni, 2018: 0.138)",
        "test/free_exact_match",
        "< 0.3",
        600,
    ),
    "scan_attention_jump": Target(
        "experiment=scan_attention task.by=jump",
        "exact match on commands of a new verb (Lake and Baroni, 2018: 0.012)",
        "test/free_exact_match",
        "< 0.1",
        600,
    ),
    "series_yule_ar": Target(
        "experiment=series_yule_ar",
        "distance from the coefficients by least squares",
        distance_from_least_squares,
        "< 0.0001",
        10,
    ),
    "series_sunspots_ar": Target(
        "experiment=series_sunspots_ar",
        "one-step error on 1921-1955 over the variance",
        "val/nmse",
        "0.12 to 0.14",
        10,
    ),
    "series_mackey_glass_ar_ffn": Target(
        "experiment=series_mackey_glass_ar_ffn",
        "NRMSE six units of time ahead",
        "test/nrmse",
        "< 0.03",
        20,
    ),
    "digits_gru": Target(
        "experiment=digits_gru", "accuracy row by row", "test/accuracy", ">= 0.97", 120
    ),
    "digits_pixels_gru": Target(
        "experiment=digits_pixels_gru", "accuracy pixel by pixel", "test/accuracy", ">= 0.9", 300
    ),
    "next_pixel_lstm": Target(
        "experiment=next_pixel_lstm",
        "bits per pixel (neighbours left and above 2.41)",
        "test/bits_per_pixel",
        "< 2.1",
        180,
    ),
    "labels_gru": Target(
        "experiment=labels_gru", "accuracy (naive Bayes 0.90)", "test/accuracy", ">= 0.98", 60
    ),
    "caption_attention": Target(
        "experiment=caption_attention",
        "exact match on unseen combinations (told where each digit stands 0.96)",
        "test/free_exact_match",
        ">= 0.9",
        300,
    ),
    "speech_attention": Target(
        "experiment=speech_attention",
        "character error on unseen words, speakers and tempi (nearest neighbour 0.58)",
        "test/free_character_error",
        "< 0.05",
        300,
    ),
    "phonemes_aligned_elman": Target(
        "experiment=phonemes_aligned_elman",
        "sounds of letters right, of the 1,000 words learnt",
        of_train("accuracy"),
        ">= 0.95",
        60,
    ),
    "phonemes_aligned_elman_unseen": Target(
        "experiment=phonemes_aligned_elman",
        "phoneme error on unseen words (letter by letter 0.43)",
        "test/phoneme_error",
        "< 0.25",
        60,
    ),
    "phonemes_attention": Target(
        "experiment=phonemes_attention",
        "phoneme error on unseen words (letter by letter 0.42)",
        "test/free_phoneme_error",
        "< 0.2",
        300,
    ),
    "motions_gru": Target(
        "experiment=motions_gru", "accuracy (nearest neighbour 0.57)", "test/accuracy", ">= 0.9", 60
    ),
    "speech_ctc": Target(
        "experiment=speech_ctc",
        "character error on unseen words, speakers and tempi (nearest neighbour 0.58)",
        "test/character_error",
        "< 0.05",
        120,
    ),
    "copy_ntm": Target(
        "experiment=copy_ntm",
        "recall accuracy of 12 symbols, trained on 6 (chance 0.125)",
        at_length(12, "accuracy"),
        ">= 0.5",
        180,
    ),
    "copy_reverse_stack_rnn": Target(
        "experiment=copy_reverse_stack_rnn",
        "recall accuracy of 12 symbols, trained on 6 (chance 0.125)",
        at_length(12, "accuracy"),
        ">= 0.85",
        120,
        share=0.8,
    ),
    "reber_lstm": Target(
        "experiment=reber_lstm",
        "strings with legal symbols alone ahead",
        "test/legal_strings",
        ">= 0.99",
        60,
    ),
    "temporal_order_lstm": Target(
        "experiment=temporal_order_lstm", "accuracy", "test/accuracy", ">= 0.99", 60
    ),
    "counting_lstm": Target(
        "experiment=counting_lstm",
        "strings of n = 12 right, trained on 10",
        at_length(12, "exact_match"),
        ">= 0.99",
        60,
    ),
    "flip_flop_gru": Target(
        "experiment=flip_flop_gru", "sequences right", "test/exact_match", ">= 0.99", 60
    ),
    "regular_lstm": Target(
        "experiment=regular_lstm",
        "accuracy on a circle, 250 steps, trained on 40",
        at_length(250, "accuracy"),
        ">= 0.99",
        60,
    ),
    "latch_lstm": Target("experiment=latch_lstm", "accuracy", "test/accuracy", ">= 0.99", 60),
    "morse_elman": Target(
        "experiment=morse_elman",
        "share of the 26 letters right at every step",
        "test/exact_match",
        ">= 1",
        60,
    ),
    "sentences_gru": Target(
        "experiment=sentences_gru",
        "cosine to the words' probabilities (last word alone 0.865; Elman, 1990: 0.916)",
        "test/cosine",
        ">= 0.98",
        60,
    ),
    "gap_lstm": Target(
        "experiment=gap_lstm",
        "second triggers right, after 20 symbols (chance 0.5)",
        "test/trigger",
        ">= 0.99",
        60,
    ),
    "adder_program_jordan": Target(
        "experiment=adder_program_jordan",
        "sums right, by its own actions",
        "test/free_exact_match",
        ">= 0.99",
        60,
    ),
    "speakers_gru": Target("experiment=speakers_gru", "accuracy", "test/accuracy", ">= 0.95", 60),
    "gestures_gru": Target(
        "experiment=gestures_gru",
        "accuracy (nearest neighbour 0.913)",
        "test/accuracy",
        "> 0.913",
        60,
        share=0.5,  # seeds differ widely
    ),
}


def runs_of(words: str, seeds: int, directory: Path) -> list[Run]:
    """Train seed 0 alone and the others as a sweep; what has been trained is not trained again.

    Returns:
        The runs, seed 0 first.

    Raises:
        CalledProcessError: a job of the sweep failed.
    """
    command = [sys.executable, str(ROOT / "scripts" / "train.py"), "-m", *words.split()]
    name = re.sub(r"[^\w]+", "-", words.replace(" ", "_"))
    chosen = [f"output_dir={directory}", f"sweep_name={name}", "watch=none"]
    subprocess.run([*command, *chosen, "seed=0"], check=True)
    if seeds > 1:
        subprocess.run([*command, *chosen, f"seed=range(1,{seeds})", *GROUPED], check=True)
    runs = [Run.load(path.parent) for path in directory.glob(f"sweeps/{name}/[!.]*/run.json")]
    return sorted((run for run in runs if run.config.seed < seeds), key=lambda run: run.config.seed)


def main() -> None:
    """Train what is named, or all."""
    names = [word for word in sys.argv[1:] if not word.startswith("-")]
    wrong = [name for name in names if name not in TARGETS]
    if wrong:
        print(f"learn: {wrong[0]} is no target: it takes {', '.join(TARGETS)}", file=sys.stderr)
        sys.exit(2)
    writes = "--write" in sys.argv
    commit = record.commit_of_this() if writes else None
    if writes and commit is None:
        print(
            f"learn: --write needs src, configs and scripts as committed in {ROOT}", file=sys.stderr
        )
        sys.exit(2)
    found = record.read(RECORD)
    for name in names or TARGETS:
        found[name] = trained(TARGETS[name]) | {"commit": commit}
        print(_row(found[name]), flush=True)
        if writes:
            record.write(RECORD, found)
            record.replace(PAGE, "learnt", table(found))


def trained(target: Target) -> dict[str, Any]:
    """Train a target, and return its entry of the record."""
    (first,) = runs_of(target.words, 1, ROOT / "outputs/learn")
    seeds = MANY if first.card["cpu_seconds"] < CHEAP else FEW
    values = [target.value(run) for run in runs_of(target.words, seeds, ROOT / "outputs/learn")]
    return {
        "command": f"rnnlab-train {target.words}",
        "model": first.results["model"],
        "task": first.results["task"],
        "quantity": target.quantity,
        "promise": target.promise,
        "median": median(values),
        "values": values,
        "kept": sum(map(target.holds, values)),
        "parameters": first.results["parameters"],
        "seconds": first.card["seconds"],
        "cpu_seconds": first.card["cpu_seconds"],
        "budget_seconds": target.seconds,
    }


def table(found: dict[str, Any]) -> str:
    """Format the page's table."""
    lines = [
        "| task | model | what | must be | median | kept by | CPU seconds | command |",
        "|---|---|---|---|---|---|---|---|",
        *(_row(found[name]) for name in TARGETS if name in found),
    ]
    return "\n".join(lines)


def _row(entry: dict[str, Any]) -> str:
    return (
        f"| {entry['task']} | {entry['model']} | {entry['quantity']} | {entry['promise']} | "
        f"{entry['median']:.4g} | {entry['kept']} of {len(entry['values'])} seeds | "
        f"{entry['cpu_seconds']:.0f} | "
        f"`{entry['command']}` |"
    )


if __name__ == "__main__":
    main()
