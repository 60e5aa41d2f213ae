"""ONNX: batch and time are free, and onnxruntime gives what the model gives."""

import pytest
import torch

from rnnlab.cells import readable
from rnnlab.errors import ConfigError
from rnnlab.exports.check import largest_difference
from rnnlab.exports.parts import Begin, Whole, named_leaves
from rnnlab.exports.to_onnx import to_onnx
from rnnlab.inference.generate import free_answers
from tests.small_runs import SMALL, assemble

onnxruntime = pytest.importorskip("onnxruntime", reason="the extra export is missing")
pytest.importorskip("onnxscript", reason="the extra export is missing")

pytestmark = pytest.mark.thorough

SMALLEST = "model.cell.hidden_size=6"
STREAMS = {
    "ar": ["model.cell.taps=3"],
    "ar_ffn": ["model.cell.taps=3", "model.cell.hidden_size=[6]"],
    "ctrnn": [SMALLEST],
    "elman": [SMALLEST, "model.horizon=2", "model.initial_state=learned"],
    "gru": [SMALLEST, "model.num_layers=2"],
    "jordan": [SMALLEST, "model.cell.teacher_forcing=true"],
    "lstm": [SMALLEST, "model.cell.peepholes=true", "model.embedding_size=5"],
    "min_gru": [SMALLEST],
    "mrnn": [SMALLEST],
    "ntm": [SMALLEST, "model.cell.num_locations=5", "model.cell.location_size=3"],
    "stack_rnn": [SMALLEST, "model.cell.depth=4"],
    "transformer": ["model.hidden_size=8", "model.num_layers=1", "model.num_heads=2"],
}
DECODERS = {
    "plain": ["model=seq2seq"],
    "context": ["model=seq2seq", "model.context_every_step=true", "model.reverse_source=true"],
    "attention": [
        *("model=seq2seq", "model.attention=additive", "model.input_feeding=true"),
        "model.bidirectional=true",
    ],
    "transformer": [
        *("model=transformer_seq2seq", "model.hidden_size=8", "model.num_layers=1"),
        "model.num_heads=2",
    ],
}
SIZES = ["model.encoder.cell.hidden_size=6", "model.decoder.cell.hidden_size=6"]


def untrained(*words: str):
    model = assemble([*words, *SMALL]).model
    return model.eval()


def session(graphs, name: str):
    (graph,) = (graph for graph in graphs if graph.name == name)
    return onnxruntime.InferenceSession(graph.content)


def ask(session, given) -> dict:
    wanted = {value.name: given[value.name] for value in session.get_inputs()}
    outputs = session.run(None, {name: torch.as_tensor(x).numpy() for name, x in wanted.items()})
    return dict(zip((value.name for value in session.get_outputs()), outputs, strict=True))


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_model_is_exported_whole_and_step_by_step(name):
    model = untrained(f"model={name}", *STREAMS[name], "task=copy", "task.length=3")
    graphs = to_onnx(model)  # which compares each with the model
    whole, begin, step = (session(graphs, f"{part}.onnx") for part in ("model", "begin", "step"))
    example = Whole(model).example(2, 6)
    right = ask(whole, example.tensors)["output"]
    inputs = example.tensors["input"]
    state = ask(begin, {"input": inputs[:, 0]})
    for t, input in enumerate(inputs.unbind(1)):
        output, *_ = (found := ask(step, {"input": input, **state})).values()
        torch.testing.assert_close(
            torch.tensor(output), torch.tensor(right[:, t]), atol=1e-5, rtol=1e-5
        )
        state |= {key.removeprefix("new_"): x for key, x in found.items() if key != "output"}


def test_values_that_clamp_the_state_are_an_input():
    model = untrained("model=elman", SMALLEST, "task=oscillation_clamped")
    graphs = to_onnx(model)
    assert [*graphs[0].inputs] == ["input", "initial"]
    assert graphs[0].inputs["initial"].startswith("float32 (batch, ")


@pytest.mark.parametrize("name", DECODERS)
@torch.no_grad()
def test_an_encoder_and_a_step_of_its_decoder_answer_as_the_model(name):
    sizes = [] if name == "transformer" else SIZES
    experiment = assemble([*DECODERS[name], *sizes, "task=addition", *SMALL])
    model = experiment.model.eval()
    graphs = to_onnx(model)
    encoder, step = session(graphs, "encoder.onnx"), session(graphs, "step.onnx")
    batch = experiment.task.sample("test", 0, 4)
    with readable(model):
        right = free_answers(model, batch)
    given = {"source": batch.source, "source_mask": batch.source_mask}
    state = ask(encoder, given)
    input = batch.input[:, 0]
    for t in range(right.shape[1]):
        found = ask(step, {"input": input, **state})
        answer = torch.tensor(found["output"].argmax(1))
        assert torch.equal(answer, right[:, t])
        state |= {key.removeprefix("new_"): x for key, x in found.items() if key != "output"}
        following = batch.input[:, min(t + 1, right.shape[1] - 1)]
        input = torch.where(batch.mask[:, t], answer, following)


def test_a_graph_that_is_not_the_model_is_refused():
    model = untrained("model=elman", SMALLEST, "task=copy", "task.length=3")
    graph = to_onnx(model)[0].content
    with torch.no_grad():
        model.readout.bias += 0.01
    with pytest.raises(ConfigError, match=r"x is not the model: an output differs by 0\.01"):
        largest_difference(graph, Whole(model), [Whole(model).example(2, 3)], "x")


def test_states_have_names():
    model = untrained("model=lstm", SMALLEST, "task=copy")
    state = Begin(model).state(2, 1)
    assert [name for name, _ in named_leaves(state)] == ["state.0.hidden", "state.0.cell"]
