"""The way from the encoders' last states to the decoder's first."""

import torch

from rnnlab.cells import LSTMState
from rnnlab.models.bridge import Bridge
from rnnlab.state import flatten
from tests.cells.zoo import same
from tests.models.zoo import SOURCE_SPECS, draw_batch, make_seq2seq


def pair(size: int, rows: int = 2) -> LSTMState:
    return LSTMState(torch.randn(rows, size), torch.randn(rows, size))


def test_states_of_one_shape_are_copied() -> None:
    bridge = Bridge([pair(3, 1)], pair(3, 1))
    final = pair(3)
    assert bridge([final]) is final
    assert not list(bridge.parameters())


def test_other_states_are_mapped_by_tanh_of_a_linear_map() -> None:
    bridge = Bridge([pair(3, 1)], (torch.zeros(1, 4), torch.zeros(1, 2, 2)))
    final = pair(3)
    first, second = bridge([final])
    assert (first.shape, second.shape) == ((2, 4), (2, 2, 2))
    side_by_side = torch.cat([final.hidden, final.cell], dim=1)
    mapped = torch.tanh(side_by_side @ bridge.weight.T + bridge.bias)
    same(torch.cat([first, second.flatten(1)], dim=1), mapped)


def test_a_pair_of_the_same_sizes_but_another_meaning_is_mapped() -> None:
    assert not Bridge([(torch.zeros(1, 3), torch.zeros(1, 3))], pair(3, 1)).copies


def test_two_encoders_are_mapped_even_where_each_has_the_decoders_shape() -> None:
    bridge = Bridge([torch.zeros(1, 3), torch.zeros(1, 3)], torch.zeros(1, 3))
    first, second = torch.randn(2, 3), torch.randn(2, 3)
    mapped = torch.tanh(torch.cat([first, second], dim=1) @ bridge.weight.T + bridge.bias)
    same(bridge([first, second]), mapped)


def test_states_without_numbers_are_no_trouble() -> None:
    nothing, something = torch.zeros(1, 0, 3), torch.zeros(1, 2)
    assert Bridge([something], nothing)([torch.randn(5, 2)]).shape == (5, 0, 3)
    bridge = Bridge([nothing], something)
    same(bridge([torch.zeros(5, 0, 3)]), torch.tanh(bridge.bias).expand(5, 2))


def test_the_decoder_begins_where_the_encoder_stopped() -> None:
    model = make_seq2seq(SOURCE_SPECS["reals"], "lstm", "lstm")
    batch = draw_batch(model.spec)
    state = model.begin(batch)
    _, final = model.encoder.unroll(batch.source, model.encoder.zero_state(3), batch.source_mask)
    same(state.decoder, final)


def test_layers_need_the_same_number_to_be_copied() -> None:
    deep = {"num_layers": 2}
    spec = SOURCE_SPECS["reals"]
    assert make_seq2seq(spec, encoder_settings=deep, decoder_settings=deep).bridge.copies
    model = make_seq2seq(spec, encoder_settings=deep)
    assert not model.bridge.copies
    assert flatten(model.begin(draw_batch(spec)).decoder).shape == (3, 4)
