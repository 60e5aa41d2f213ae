"""Entries of the gallery: what a paper found, and the jobs that must find it again."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from shlex import split
from typing import Annotated, Any, Literal

import yaml
from annotated_types import Le, Len
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rnnlab.config.build import check_node, requirement
from rnnlab.config.catalogue import describe
from rnnlab.config.sources import config_directories
from rnnlab.config.suggestions import did_you_mean, hint
from rnnlab.errors import ConfigError
from rnnlab.files.untrusted import read_text
from rnnlab.ranges import Positive, PositiveInt
from rnnlab.reproductions.bound import Bound
from rnnlab.spelling import brief, first_line, printable

GROUP = "reproduce"
Tier = Literal["smoke", "quick", "full"]
SeedSet = Literal["fresh", "tuning"]
FIRST_SEED: Mapping[SeedSet, int] = {"tuning": 0, "fresh": 100}
"""First of the seeds: thresholds are set on those below 100, and confirmed on those from 100."""
SMOKE_SEEDS = 2
_LARGEST = 100_000  # bytes of an entry

Text = Annotated[str, Field(min_length=1)]
JobName = Annotated[str, Field(pattern=r"^\w[\w-]*$")]  # of a directory, and in an overview


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Reported(_Part):
    """A value that a paper reports.

    Attributes:
        value: the number, or a few words.
        where: table, figure or section.
        status: whether it was seen in a source or is as remembered, and then not printed.
    """

    value: float | int | Text
    where: Text
    status: Literal["seen", "remembered"]

    @property
    def shown(self) -> str:
        """The value and where it stands; nothing of what was only remembered."""
        if self.status == "remembered":
            return ""
        value = self.value if isinstance(self.value, str) else f"{self.value:g}"
        return f"{value} ({self.where})"

    @property
    def number(self) -> float | None:
        """The value where it is a number and may be shown."""
        known = self.status == "seen" and not isinstance(self.value, str)
        return float(self.value) if known else None


class Claim(_Part):
    """A number of each run of a job, and what it must be.

    Attributes:
        what: the number, with its unit.
        job: name of the job.
        measure: path in `results.json`, such as `test/loss`, or a node whose function takes a run.
        must: a bound, as `Bound.read` reads it.
        least: on how many seeds it must hold.
        floor: the number without learning or memory, or its path in `results.json`, or `None`.
        paper: what the paper reports, or `None`.
    """

    what: Text
    job: Text
    measure: Text | dict[str, Any]
    must: Text
    least: PositiveInt
    floor: float | Text | None = None
    paper: Reported | None = None

    @cached_property
    def bound(self) -> Bound:
        """The bound."""
        return Bound.read(self.must)


class Drawing(_Part):
    """A figure of an analysis, of the first seed of a job.

    Attributes:
        job: name of the job.
        analysis: name of the analysis.
        words: overrides of its settings.
        picture: which of its figures, such as `hidden_tree`.
    """

    job: Text
    analysis: Text
    words: list[Text]
    picture: str


class Entry(_Part):
    """A published result and how it is found again: a yaml in `configs/reproduce`.

    Attributes:
        name: stem of its file.
        summary: the claim in one line, the first comment of the file.
        citation: authors, year, where.
        protocol: `exact` (the paper's data, rule, sizes and budget), `scaled` (the same contrast)
            or `qualitative` (the paper has no number).
        differs: what differs from the paper, or `None`.
        minutes: of the tier `quick`, on one thread.
        seeds: number of seeds.
        words: overrides that all jobs share.
        jobs: name -> overrides of its own.
        smoke: overrides of the tier `smoke`, which come last.
        full: overrides of the tier `full`, which come last.
        claims: what must be found.
        controls: what must be found of jobs that must fail.
        tried: what was tried where the result did not come out, or `None`.
        drawings: name -> a figure that the report shows beside its own.
    """

    name: Text
    summary: str
    citation: Text
    protocol: Literal["exact", "scaled", "qualitative"]
    differs: Text | None
    minutes: Positive
    seeds: Annotated[PositiveInt, Le(100)]
    words: str
    jobs: Annotated[dict[JobName, str], Len(1)]
    smoke: str
    full: str
    claims: Annotated[list[Claim], Len(1)]
    controls: Annotated[list[Claim], Len(1)]
    tried: Text | None = None
    drawings: dict[JobName, Drawing] = Field(default_factory=dict)

    @classmethod
    def load(cls, name: str) -> "Entry":
        """Read an entry of the gallery.

        Raises:
            ConfigError: there is none of this name, or a line for each problem in its file.
        """
        known = entry_names()
        if name not in known:
            meant = did_you_mean(name, known) or f": it is one of {', '.join(known)} or all"
            raise ConfigError(f"{printable(name)} is not in the gallery{meant}")
        files = (directory / GROUP / f"{name}.yaml" for directory in config_directories())
        return cls.read(next(filter(Path.is_file, files)), known[name])

    @classmethod
    def read(cls, path: Path, summary: str) -> "Entry":
        """Read an entry from its file.

        Raises:
            ConfigError: a line for each problem.
        """
        try:
            tree = yaml.safe_load(read_text(path, largest=_LARGEST))
        except yaml.YAMLError as error:
            raise ConfigError(f"{path} is no YAML: {first_line(error)}") from error
        if not isinstance(tree, dict):
            raise ConfigError(f"{path} must hold settings: {', '.join(_SETTINGS)}")
        problems = [f"{key} is not a setting" for key in _GIVEN if key in tree]
        try:
            entry = cls.model_validate({**tree, "name": path.stem, "summary": summary})
        except ValidationError as error:
            problems += map(_spell, error.errors())
        else:
            problems += entry._contradictions()
        if problems:
            raise ConfigError("\n".join(f"{path.name}: {problem}" for problem in problems))
        return entry

    def overrides(self, job: str, tier: Tier) -> list[str]:
        """Return the overrides of a job, as `rnnlab-train` takes them."""
        parts = (self.words, self.jobs[job], {"smoke": self.smoke, "full": self.full}.get(tier, ""))
        return [word for part in parts for word in split(part)]

    def num_seeds(self, tier: Tier) -> int:
        """Return the number of seeds in a tier."""
        return min(SMOKE_SEEDS, self.seeds) if tier == "smoke" else self.seeds

    @property
    def checks(self) -> list[Claim]:
        """Claims, then controls."""
        return [*self.claims, *self.controls]

    def check_measures(self) -> None:
        """Check that functions of measures and analyses of drawings are known, and their settings.

        It imports them, and torch with them, for which a list of entries needn't wait.

        Raises:
            ConfigError: a line for each problem.
        """
        from rnnlab.analysis.run import make

        problems = []
        for path, claim in self._placed():
            if isinstance(claim.measure, str):
                continue
            try:
                check_node(f"{path}.measure", claim.measure, float, "rnnlab.reproductions")
            except ConfigError as error:
                problems += str(error).splitlines()
        for name, drawing in self.drawings.items():
            try:
                make(drawing.analysis, drawing.words)
            except ConfigError as error:
                problems += [f"drawings.{name}: {line}" for line in str(error).splitlines()]
        if problems:
            raise ConfigError("\n".join(f"{self.name}: {problem}" for problem in problems))

    def _placed(self) -> Iterator[tuple[str, Claim]]:
        """Yield claims and controls, each with where it stands, such as `claims.0`."""
        for kind, claims in (("claims", self.claims), ("controls", self.controls)):
            yield from ((f"{kind}.{number}", claim) for number, claim in enumerate(claims))

    def _contradictions(self) -> list[str]:
        """Return the problems that types don't show."""
        problems = [
            f"{path}.{line}" for path, claim in self._placed() for line in self._problems(claim)
        ]
        for name, drawing in self.drawings.items():
            problems += [f"drawings.{name}.{line}" for line in self._unknown(drawing.job)]
            if drawing.analysis not in (known := describe("analysis")):
                problems.append(
                    f"drawings.{name}.analysis={printable(drawing.analysis)} is no analysis"
                    + hint(drawing.analysis, known)
                )
        measured = {claim.job for claim in self.checks}
        return problems + [f"jobs.{job} has no claim" for job in self.jobs if job not in measured]

    def _problems(self, claim: Claim) -> Iterator[str]:
        yield from self._unknown(claim.job)
        if claim.least > self.seeds:
            yield f"least must be at most seeds={self.seeds}, got {claim.least}"
        try:
            Bound.read(claim.must)
        except ConfigError as error:
            yield str(error)

    def _unknown(self, job: str) -> Iterator[str]:
        if job not in self.jobs:
            yield f"job={printable(job)} is no job{hint(job, self.jobs)}"


_GIVEN = ("name", "summary")
_SETTINGS = [key for key in Entry.model_fields if key not in _GIVEN]


def entry_names() -> dict[str, str]:
    """Return the names of all entries, each with its claim in one line."""
    return describe(GROUP)


def _spell(problem: Any) -> str:
    """Format a problem that pydantic found."""
    path = printable(".".join(str(part) for part in problem["loc"]))
    if problem["type"] == "extra_forbidden":
        *inside, key = problem["loc"]
        depths = {0: _SETTINGS, 2: [*Claim.model_fields], 3: [*Reported.model_fields]}
        known = [*Drawing.model_fields] if "drawings" in inside else depths[len(inside)]
        return f"{path} is not a setting{hint(str(key), known)}"
    if problem["type"] == "missing":
        return f"{path} is missing"
    return f"{path} must be {requirement(problem)}, got {brief(repr(problem['input']), 100)}"
