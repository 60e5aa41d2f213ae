"""Tasks: what models learn, with batches, metrics and pictures."""

from rnnlab.tasks.adder_program import AdderProgram
from rnnlab.tasks.addition import Addition, AdditionBinary, AdditionMarked
from rnnlab.tasks.attractor_memory import AttractorMemory
from rnnlab.tasks.base import Mean, Scorer, Task
from rnnlab.tasks.caption import Caption
from rnnlab.tasks.copy import Copy, CopyRepeat, CopyReverse
from rnnlab.tasks.corpus import TextFiles
from rnnlab.tasks.counting import Counting
from rnnlab.tasks.digits import Digits
from rnnlab.tasks.file_task import FileTask, StoredSymbols
from rnnlab.tasks.flip_flop import FlipFlop
from rnnlab.tasks.gap import Gap
from rnnlab.tasks.labels import Labels
from rnnlab.tasks.latch import Latch
from rnnlab.tasks.letters import Letters
from rnnlab.tasks.morse import Morse
from rnnlab.tasks.motions import Gestures, Motions, Speakers
from rnnlab.tasks.next_char import NextChar
from rnnlab.tasks.next_pixel import NextPixel
from rnnlab.tasks.next_word import NextWord
from rnnlab.tasks.oscillation import Oscillation
from rnnlab.tasks.oscillation_clamped import OscillationClamped
from rnnlab.tasks.parity import Parity
from rnnlab.tasks.phonemes import Phonemes, PhonemesAligned
from rnnlab.tasks.reber import Reber
from rnnlab.tasks.recognition import Recognition
from rnnlab.tasks.regular import Regular
from rnnlab.tasks.rows import RowTask
from rnnlab.tasks.scan import Scan
from rnnlab.tasks.sentences import Sentences
from rnnlab.tasks.series import Series
from rnnlab.tasks.speech import Speech
from rnnlab.tasks.speech_ctc import SpeechCTC
from rnnlab.tasks.temporal_order import TemporalOrder
from rnnlab.tasks.temporal_xor import TemporalXor
from rnnlab.tasks.transduction import Transduction
from rnnlab.tasks.translation import Translation

__all__ = [
    "AdderProgram",
    "Addition",
    "AdditionBinary",
    "AdditionMarked",
    "AttractorMemory",
    "Caption",
    "Copy",
    "CopyRepeat",
    "CopyReverse",
    "Counting",
    "Digits",
    "FileTask",
    "FlipFlop",
    "Gap",
    "Gestures",
    "Labels",
    "Latch",
    "Letters",
    "Mean",
    "Morse",
    "Motions",
    "NextChar",
    "NextPixel",
    "NextWord",
    "Oscillation",
    "OscillationClamped",
    "Parity",
    "Phonemes",
    "PhonemesAligned",
    "Reber",
    "Recognition",
    "Regular",
    "RowTask",
    "Scan",
    "Scorer",
    "Sentences",
    "Series",
    "Speakers",
    "Speech",
    "SpeechCTC",
    "StoredSymbols",
    "Task",
    "TemporalOrder",
    "TemporalXor",
    "TextFiles",
    "Transduction",
    "Translation",
]
