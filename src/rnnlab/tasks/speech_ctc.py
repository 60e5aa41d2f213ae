"""Speech, written down while it is heard: at every frame a letter or nothing."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import ClassVar

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from rnnlab.plots.draw import join
from rnnlab.ranges import NonNegative
from rnnlab.spec import Batch, Layout, Reals, Split, Tokens
from rnnlab.stackable import stackable
from rnnlab.tasks.base import Mean, Scorer, Task
from rnnlab.tasks.ctc import BLANK, collapse, ctc_nats
from rnnlab.tasks.error_scorer import ErrorScorer
from rnnlab.tasks.formants import CHANNELS, LETTERS, Formants, draw_tracks
from rnnlab.tasks.lengths import Lengths
from rnnlab.tasks.speech import Letters

_FLOOR_WORDS = 256
_SHOWN = 2


@stackable()
class SpeechCTC(Task):
    """Write down a word while it is heard, by connectionist temporal classification.

    Graves et al. (2006). At every frame the answer is a letter or the blank `_`; repeats are taken
    together, blanks left out, and what is left is the word. `Formants` says what words and tracks
    are, and what is held out: words, speakers and tempi. The word `it`:

        input    x1 x2 x3 x4 x5 x6     5 numbers a frame, 2 to 8 frames a letter
        target   i  t  _  _  _  _
        mask     x  x  x  x  x  x

    The target has the letters at the first frames, one each, for nobody says where they are heard:
    the loss is the nats of the word, which is the sum over all answers that say it, per frame. In
    the encoder-decoder layout the encoder reads the frames, and the decoder reads them again.

    The floors are the loss of one answer at all frames, the letters by their frequency and the
    blank as often as is best, and the character error of the nearest of 2000 training words
    (`character_error_nearest_neighbour`).

    Args:
        length: most letters of a word, 2 or more; each has its own number.
        noise: standard deviation of the noise on each number; that of a formant is about 1.
    """

    lengths: Lengths
    higher_is_better: ClassVar = {**Task.higher_is_better, "character_error": False}

    def __init__(self, layout: Layout, seed: int, *, length: Letters, noise: NonNegative) -> None:
        super().__init__(layout, seed)
        self.lengths = Lengths(2, length)
        self.formants = Formants(self.lengths, noise)
        self.symbols = self.written = ("blank", *LETTERS)
        self.spec = self.spec_of(Reals(len(CHANNELS)), Tokens(len(self.symbols)))

    def sample(
        self, split: Split, index: int, batch_size: int, *, length: int | None = None
    ) -> Batch:
        """Make one batch; words are padded on the right."""
        heard = self.formants.hear(self.rng(split, index), split, batch_size, length)
        frames, letters = torch.from_numpy(heard.vectors), torch.from_numpy(heard.target)
        mask = torch.arange(frames.shape[1]) < torch.from_numpy(heard.lengths)[:, None]
        target = F.pad(letters + 1, (0, mask.shape[1] - letters.shape[1]), value=BLANK)
        if self.layout == "stream":
            return Batch(frames, target, mask)
        return Batch(frames, target, mask, source=frames, source_mask=mask)

    def longest(self, length: int | None = None) -> int:
        """Return the most frames that a word can have."""
        return self.formants.most_frames(length)

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """Return the nats of the words per frame."""
        words = collapse(batch.target, batch.mask)
        return ctc_nats(output, words, batch.mask).sum() / batch.mask.sum()

    def metrics(self, output: Tensor, batch: Batch) -> dict[str, Mean]:
        """Compute the loss, and the share of words without a mistake."""
        said, right = (collapse(ids, batch.mask) for ids in (output.argmax(dim=2), batch.target))
        rows = torch.tensor(len(right), device=output.device)
        return {
            "loss": Mean(self.loss(output, batch), self.counted(batch)),
            "exact_match": Mean((said == right).all(dim=1).float().mean(), rows),
        }

    def scorer(self) -> Scorer:
        """Return a scorer that adds the character error."""
        return ErrorScorer(self, "character_error", self.letters)

    def letters(self, ids: Sequence[int]) -> list[str]:
        """Return the letters that the answers at all frames say."""
        answers = torch.tensor([ids], dtype=torch.int64)
        said = collapse(answers, torch.ones_like(answers, dtype=torch.bool))
        return [self.symbols[i] for i in said[0].tolist() if i != BLANK]

    @cached_property
    def floor(self) -> Mapping[str, float]:  # type: ignore[override]  # computed on first use
        """Scores of the best answer that is always the same, and of the nearest training word."""
        batch = self.sample("train", 0, _FLOOR_WORDS)
        counts = torch.bincount(batch.target[batch.mask], minlength=len(self.symbols))
        counts[BLANK] = 0
        losses = []
        for blank in torch.linspace(0.05, 0.95, 19):
            answer = (1 - blank) * counts / counts.sum()
            answer[BLANK] = blank
            output = answer.log().expand(*batch.mask.shape, -1)
            losses.append(float(self.loss(output, batch)))
        return {"loss": min(losses), **self.formants.floor(self.rng)}

    def show(self, batch: Batch, output: Tensor) -> Image.Image:
        """Draw the probability of the blank and of letters at each frame, and the tracks."""
        plots = []
        for row in range(min(_SHOWN, len(output))):
            mask = batch.mask[row]
            beliefs = output[row][mask].float().softmax(-1).cpu().numpy()
            right, claim = (
                self.letters(ids.tolist())
                for ids in (batch.target[row][mask], output[row][mask].argmax(1))
            )
            verdict = "" if claim == right else f"   x: {''.join(claim)}"
            names = dict.fromkeys((self.symbols[BLANK], *right, *claim))
            answers = {name: beliefs[:, self.symbols.index(name)] for name in names}
            tracks = batch.input[row][mask].cpu().numpy()
            plots.append(draw_tracks(tracks, "".join(right) + verdict, answers))
        return join(plots)

    def show_answers(self, batch: Batch, answers: Tensor) -> Image.Image:
        """Draw the answers as if they were certain, and the tracks."""
        return self.show(batch, F.one_hot(answers, len(self.symbols)).log())
