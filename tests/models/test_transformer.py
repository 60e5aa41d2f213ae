"""Transformers against torch's own layers, and their cache against what it stands for."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rnnlab.cells import readable
from rnnlab.errors import ConfigError
from rnnlab.models.transformer_layers import Layer, MultiHeadAttention, rotated
from rnnlab.spec import Batch, Reals, TaskSpec, Tokens
from tests.cells.zoo import same, scatter
from tests.models.zoo import (
    POSITIONS,
    SOURCE_SPECS,
    SPECS,
    B,
    T,
    by_steps,
    draw_batch,
    make_transformer,
)

H, N = 8, 2
CAUSAL = torch.ones(T, T, dtype=torch.bool).tril()


def features(steps: int = T) -> Tensor:
    return torch.randn(B, steps, H, dtype=torch.float64)


def torch_layer(layer: Layer, kind: type[nn.Module]) -> nn.Module:
    """Give torch's layer of the same kind with the same weights."""
    settings = {"activation": F.gelu, "norm_first": True, "batch_first": True, "dropout": 0.0}
    twin = kind(H, N, layer.feedforward[1].out_features, **settings).double()
    pairs = [(twin.self_attn, layer.attention), (twin.norm1, layer.norm)]
    if layer.memory_attention is None:
        pairs.append((twin.norm2, layer.feedforward[0]))
    else:
        pairs += [(twin.multihead_attn, layer.memory_attention), (twin.norm2, layer.memory_norm)]
        pairs.append((twin.norm3, layer.feedforward[0]))
    pairs += [(twin.linear1, layer.feedforward[1]), (twin.linear2, layer.feedforward[3])]
    with torch.no_grad():
        for theirs, ours in pairs:
            if isinstance(ours, MultiHeadAttention):
                for name in ("weight", "bias"):
                    own = [getattr(part, name) for part in (ours.query, ours.key_value)]
                    getattr(theirs, f"in_proj_{name}").copy_(torch.cat(own))
                theirs, ours = theirs.out_proj, ours.output
            theirs.load_state_dict(ours.state_dict())
    return twin


def test_heads_compute_scaled_dot_product_attention() -> None:
    attention = scatter(MultiHeadAttention(H, N, rotary=False).double())
    read, memory = features(), features(7)
    keys_values = attention.key_value(memory)
    everything = torch.ones(1, 1, dtype=torch.bool)
    fast = attention(read, keys_values, everything)
    weights = []
    attention.softmax.register_forward_hook(lambda *call: weights.append(call[-1]))
    with readable(attention):
        found = attention(read, keys_values, everything)
    heads = [
        part.unflatten(2, (N, H // N)).transpose(1, 2)
        for part in (attention.query(read), *keys_values.chunk(2, dim=2))
    ]
    expected = F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
    same(found, attention.output(expected))
    same(found, fast)
    assert [w.shape for w in weights] == [(B, N, T, 7)]
    same(weights[0].sum(3), torch.ones(B, N, T, dtype=torch.float64))


def test_a_layer_is_torchs_encoder_layer_with_the_norm_first() -> None:
    layer = scatter(Layer(H, N, 5, rotary=False, dropout=0.0).double())
    twin = torch_layer(layer, nn.TransformerEncoderLayer)
    read = features().requires_grad_()
    found, expected = layer(read, CAUSAL)[0], twin(read, src_mask=~CAUSAL)
    same(found, expected)
    slopes = [torch.autograd.grad(out.cos().sum(), read)[0] for out in (found, expected)]
    same(*slopes)


def test_a_layer_with_memory_is_torchs_decoder_layer() -> None:
    layer = scatter(Layer(H, N, 5, rotary=False, dropout=0.0, reads_memory=True).double())
    twin = torch_layer(layer, nn.TransformerDecoderLayer)
    read, memory = features(), features(4)
    keys_values = layer.memory_attention.key_value(memory)
    everything = torch.ones(1, 1, dtype=torch.bool)
    found, _ = layer(read, CAUSAL, None, keys_values, everything)
    same(found, twin(read, memory, tgt_mask=~CAUSAL))


def test_a_rotated_product_depends_on_the_distance_alone() -> None:
    query, key = (torch.randn(1, 8, dtype=torch.float64) for _ in range(2))
    products = [rotated(query, 3 + n) @ rotated(key, n).T for n in (0, 5, 900)]
    same(products[1], products[0])
    same(products[2], products[0])
    assert not torch.allclose(rotated(query, 4) @ rotated(key, 0).T, products[0])
    same(rotated(query, 0), query)


@pytest.mark.parametrize("positions", POSITIONS)
def test_a_step_sees_so_many_steps_as_the_context_has(positions: str) -> None:
    model = make_transformer(SPECS["reals"], positions=positions, num_layers=1, context=3)
    batch = draw_batch(model.spec)
    inputs = batch.input.requires_grad_()
    outputs, _ = model(batch)
    for t in range(T):
        (seen,) = torch.autograd.grad(outputs[:, t].sum(), inputs, retain_graph=True)
        steps = seen.abs().amax(dim=(0, 2)).nonzero().flatten().tolist()
        assert steps == list(range(max(0, t - 2), t + 1))


@pytest.mark.parametrize("positions", ["learned", "sinusoidal"])
def test_added_positions_repeat_after_the_context(positions: str) -> None:
    model = make_transformer(SPECS["tokens"], positions=positions)
    start = torch.tensor([0, 3, 4])
    first, again, later = model.embedding(torch.zeros(3, 1, dtype=torch.int64), start)
    same(first, again)
    assert not torch.allclose(first, later)


def test_sinusoids_are_those_of_the_paper() -> None:
    table = make_transformer(SPECS["tokens"], positions="sinusoidal").embedding.positions
    assert table.shape == (3, H)
    for step, waves in enumerate(table):
        for i in range(H // 2):
            angle = torch.tensor(step / 10_000 ** (2 * i / H))
            same(waves[i], angle.sin().double(), rtol=0, atol=1e-6)
            same(waves[H // 2 + i], angle.cos().double(), rtol=0, atol=1e-6)


def test_without_positions_the_order_of_what_went_before_does_not_matter() -> None:
    model = make_transformer(SPECS["tokens"], positions="none", num_layers=1, context=T)
    batch = draw_batch(model.spec)
    swapped = batch._replace(input=batch.input[:, [2, 1, 0, *range(3, T)]])
    same(model(swapped)[0][:, 3:], model(batch)[0][:, 3:])
    rotary = make_transformer(SPECS["tokens"], num_layers=1, context=T)
    assert not torch.allclose(rotary(swapped)[0][:, 3:], rotary(batch)[0][:, 3:])


@pytest.mark.parametrize("positions", POSITIONS)
def test_initial_values_are_a_step_before_the_first(positions: str) -> None:
    spec = TaskSpec(input=Reals(1), target=Reals(2), initial=Reals(4))
    model = make_transformer(spec, positions=positions)
    batch = draw_batch(spec)._replace(initial=torch.randn(B, 4, dtype=torch.float64))
    outputs, state = model(batch)
    assert state.steps.tolist() == [T + 1] * B
    same((outputs, state), by_steps(model, batch))
    other, _ = model(batch._replace(initial=-batch.initial))
    assert (outputs[:, 0] != other[:, 0]).all()


def test_single_precision_steps_agree_with_forward_over_a_long_sequence() -> None:
    model = make_transformer(SPECS["tokens"], context=64).float()
    batch = draw_batch(model.spec)._replace(input=torch.randint(5, (B, 200)))
    same(model(batch)[0], by_steps(model, batch)[0], rtol=1e-5, atol=1e-5)


def test_the_state_keeps_its_structure() -> None:
    model = make_transformer(SPECS["tokens"])
    batch = draw_batch(model.spec)
    begun, (_, ended) = model.begin(batch), model(batch)
    assert [c.shape for c in begun.caches] == [c.shape for c in ended.caches] == [(B, 2, 2 * H)] * 2
    assert ended.steps.tolist() == [T] * B


def test_dropout_is_drawn_in_training_alone() -> None:
    model = make_transformer(SPECS["tokens"], dropout=0.5)
    batch = draw_batch(model.spec)
    assert model.draws
    assert not torch.equal(model(batch)[0], model(batch)[0])
    model.eval()
    assert torch.equal(model(batch)[0], model(batch)[0])
    assert not make_transformer(SPECS["tokens"]).draws


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"hidden_size": 9}, "hidden_size must be a multiple of 4 with num_heads=2"),
        ({"hidden_size": 6}, "hidden_size must be a multiple of 4"),
        ({"hidden_size": 9, "positions": "none"}, "hidden_size must be a multiple of 2"),
        ({"hidden_size": 9, "num_heads": 3, "positions": "sinusoidal"}, "a multiple of 6"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(settings: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make_transformer(SPECS["tokens"], **settings)


def test_gradients_agree_with_finite_differences() -> None:
    model = make_transformer(SPECS["reals"])
    batch = draw_batch(model.spec)
    values = dict(model.named_parameters())

    def run(*given: Tensor) -> Tensor:
        named = dict(zip(values, given, strict=True))
        return torch.func.functional_call(model, named, (batch,))[0]

    torch.manual_seed(1)
    assert torch.autograd.gradcheck(run, tuple(values.values()), fast_mode=True)


def test_a_model_without_a_target_is_no_transformer() -> None:
    with pytest.raises(ConfigError, match="target"):
        make_transformer(TaskSpec(input=Tokens(3), target=None))


@pytest.mark.parametrize("positions", POSITIONS)
def test_fused_attention_is_the_readable_one(positions: str) -> None:
    model = make_transformer(SPECS["tokens"], positions=positions)
    batch = draw_batch(model.spec)
    fused, state = model(batch)
    with readable(model):
        same(model(batch), (fused, state))


@pytest.mark.parametrize("positions", POSITIONS)
def test_what_stands_in_the_padding_of_a_source_changes_nothing(positions: str) -> None:
    model = make_transformer(SOURCE_SPECS["tokens"], positions=positions)
    batch = draw_batch(model.spec)
    padded = torch.where(batch.source_mask, batch.source, 5)
    same(model(batch._replace(source=padded))[0], model(batch)[0], rtol=0, atol=0)
    alone = Batch(*(None if part is None else part[1:2] for part in batch))
    cut = alone._replace(source=alone.source[:, :3], source_mask=alone.source_mask[:, :3])
    same(model(cut)[0], model(batch)[0][1:2])


def test_a_step_of_the_source_sees_those_after_it() -> None:
    model = make_transformer(SOURCE_SPECS["reals"])
    batch = draw_batch(model.spec)
    source = batch.source.requires_grad_()
    encoded = model.encoder(source, batch.source_mask)
    (seen,) = torch.autograd.grad(encoded[0, 0].cos().sum(), source)
    assert seen[0].abs().sum(1).all()
    (seen,) = torch.autograd.grad(model(batch)[0][1].cos().sum(), source)
    assert seen[1].abs().sum(1).gt(0).tolist() == batch.source_mask[1].tolist()
