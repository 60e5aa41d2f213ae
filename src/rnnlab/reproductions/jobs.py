"""Training the jobs of an entry, as sweeps over seeds, in groups where they can be stacked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rnnlab.config.compose import apply_overrides, compose, overrides_of_run
from rnnlab.errors import Busy, RunLost
from rnnlab.process.output import note
from rnnlab.reproductions.entry import FIRST_SEED, Entry, SeedSet, Tier
from rnnlab.runs.named_files import with_file_hashes
from rnnlab.runs.run import Run
from rnnlab.sweeps.jobs import Job, read_failure
from rnnlab.sweeps.progress import run_job

_SHARED = ["watch=none"]


@dataclass(frozen=True)
class Plan:
    """The runs that an entry needs.

    Attributes:
        entry: the entry.
        tier: how large they are.
        seed_set: the seeds that thresholds are set on, or those that confirm.
        directory: where runs and report are written.
    """

    entry: Entry
    tier: Tier
    seed_set: SeedSet
    directory: Path

    @classmethod
    def make(cls, entry: Entry, tier: Tier, seed_set: SeedSet, output_dir: Path) -> "Plan":
        """Choose the directory, in which each tier and set of seeds has its own."""
        inner = tier if seed_set == "fresh" else f"{tier}_{seed_set}"
        return cls(entry, tier, seed_set, output_dir / "reproduce" / entry.name / inner)

    @property
    def seeds(self) -> range:
        """The seeds."""
        first = FIRST_SEED[self.seed_set]
        return range(first, first + self.entry.num_seeds(self.tier))

    def words(self, job: str) -> list[str]:
        """Return the overrides of a job, as `rnnlab-train` takes them."""
        return [*self.entry.overrides(job, self.tier), *_SHARED]

    def command(self, job: str) -> list[str]:
        """Return the command that trains the same runs, outside of the gallery."""
        seeds = f"seed=range({self.seeds.start},{self.seeds.stop})"
        return ["rnnlab-train", "-m", *self.words(job), seeds, "hydra/launcher=vectorized"]

    def jobs(self) -> dict[str, list[Job]]:
        """Compose the jobs: name -> one for each seed.

        Raises:
            ConfigError: a setting is wrong.
        """
        return {name: self._compose(name) for name in self.entry.jobs}

    def _compose(self, name: str) -> list[Job]:
        words = self.words(name)
        cfg = with_file_hashes(compose(words))
        return [
            Job(
                self.directory / name,
                apply_overrides(cfg, [f"seed={seed}"]),
                overrides_of_run([*words, f"seed={seed}"]),
                label=f"seed={seed}",
            )
            for seed in self.seeds
        ]


def check(jobs: Mapping[str, Sequence[Job]]) -> None:
    """Assemble one of each job that is left to train, which shows whether its data are there.

    Raises:
        ConfigError: a setting is wrong, or a file or package with data is missing.
    """
    from rnnlab.experiment.experiment import Experiment  # imports torch

    for several in jobs.values():
        left = [job for job in several if job.checked_action() != "skip"]
        if left:
            Experiment.assemble(left[0].cfg)


def train(jobs: Mapping[str, Sequence[Job]]) -> dict[str, list[Run | None]]:
    """Train the jobs that have not ended; those that were interrupted go on.

    Args:
        jobs: name -> one for each seed.

    Returns:
        Name -> the run of each seed, `None` where training diverged.

    Raises:
        ConfigError: a setting is wrong, or a run directory is damaged.
        RunLost: a job failed otherwise.
        Interrupted: training was stopped by a signal.
    """
    from rnnlab.sweeps.vectorized import train_groups  # imports torch

    for name, several in jobs.items():
        left = {n: job for n, job in enumerate(several) if job.checked_action() != "skip"}
        note(f"{name}: {len(left)} of {len(several)} to train")
        for number in sorted(left.keys() - set(train_groups(left, "auto"))):
            run_job(left[number], f"{number + 1}", on_error="continue", dry_run=False)
    return {name: [_ended(job) for job in several] for name, several in jobs.items()}


def _ended(job: Job) -> Run | None:
    """Return the run of a job that has ended, `None` if it diverged."""
    run = Run.load(job.path) if job.path.is_dir() else None
    if run is not None and run.status in ("finished", "diverged"):
        return run if run.is_finished else None
    failure = read_failure(job.sweep, job.name)
    if failure is None:
        raise Busy(f"{job.path} is being trained by another process")
    raise RunLost(f"{job.path} {failure['status']}: {failure['error']}")
