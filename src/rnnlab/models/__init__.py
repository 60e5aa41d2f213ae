"""Models: cells with embedding and readout, completed by a task's input and output types."""

from rnnlab.models.base import Model
from rnnlab.models.seq2seq import Seq2Seq
from rnnlab.models.stream import Stream
from rnnlab.models.transformer import Transformer, TransformerSeq2Seq

__all__ = ["Model", "Seq2Seq", "Stream", "Transformer", "TransformerSeq2Seq"]
