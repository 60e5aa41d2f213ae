"""Motions, speakers, gestures: who or what was recorded, named at the end or at every step."""

from collections.abc import Mapping
from typing import ClassVar

from rnnlab.ranges import DataFile
from rnnlab.spec import Layout
from rnnlab.stackable import stackable
from rnnlab.tasks.corpus import TextFiles, refuse_without_path
from rnnlab.tasks.file_task import StoredSymbols
from rnnlab.tasks.package_data import PackageTexts, package_file
from rnnlab.tasks.recognition import Answered, Recognition, Recording
from rnnlab.tasks.recordings import read_recordings


@stackable()
class Motions(Recognition):
    """Name the activity of a person with sensors on the wrist, from 10 seconds of them.

    BasicMotions (Bagnall et al., 2018): standing, walking, running, badminton; 6 channels of an
    accelerometer and a gyroscope, 100 steps; 40 sequences to train, 40 to test.

        input    x1 x2 ... x100       6 numbers each
        target   _  _  ... Running
        mask     .  .  ... x

    Args:
        stored: the classes of a trained model.
        path: a `.ts` or CSV file of recordings, see `recordings.py`; `null` for those of sktime,
            with their own test split, and a tenth of train to validate on.
        val_path: such a file to validate on; `null` for a tenth of `path`.
        test_path: such a file to test on; `null` for a tenth of `path`.
        encoding: Python's name of the files' encoding; `null` for UTF-8.
        answer: which steps are answered.
    """

    packaged: ClassVar[str] = "BasicMotions"
    names: ClassVar[Mapping[str, str]] = {}

    def __init__(
        self,
        layout: Layout,
        seed: int,
        stored: StoredSymbols | None = None,
        *,
        path: DataFile | None,
        val_path: DataFile | None,
        test_path: DataFile | None,
        encoding: str | None,
        answer: Answered,
    ) -> None:
        files = TextFiles(path, val_path, test_path, encoding)
        if path is None:
            refuse_without_path(val_path=val_path, test_path=test_path)
            files = self._packaged_files()
        self._packaged = files.packaged
        super().__init__(layout, seed, stored, files, answer)

    def _packaged_files(self) -> TextFiles:
        train, test = (
            package_file(
                "sktime",
                f"datasets/data/{self.packaged}/{self.packaged}_{part}.ts",
                "task.path=null",
            )
            for part in ("TRAIN", "TEST")
        )
        return PackageTexts(str(train), test_path=str(test))

    def parse(self, text: str, key: str, path: str) -> list[Recording]:
        """Read the recordings of a file; sktime's classes may have numbers in place of names."""
        rows = read_recordings(text, key, path)
        if not self._packaged:
            return rows
        return [row._replace(label=self.names.get(row.label, row.label)) for row in rows]


@stackable()
class Speakers(Motions):
    """Name the speaker who said a Japanese vowel, `ae`.

    JapaneseVowels (Kudo, Toyama and Shimbo, 1999): 9 men, 12 cepstral coefficients, 7 to 29 steps;
    270 sequences to train, 370 to test. Batches, settings and floors are as of `Motions`.
    """

    packaged: ClassVar[str] = "JapaneseVowels"


@stackable()
class Gestures(Motions):
    """Tell whether a hand draws a gun or points with a finger, from its position across.

    GunPoint (Ratanamahatana and Keogh, 2004): 1 channel, 150 steps; 50 sequences to train, 150 to
    test. Batches, settings and floors are as of `Motions`.
    """

    packaged: ClassVar[str] = "GunPoint"
    names: ClassVar[Mapping[str, str]] = {"1": "gun", "2": "point"}
