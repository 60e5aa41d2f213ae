"""The model card of an exported model."""

import math
from collections.abc import Mapping, Sequence
from shlex import join

from rnnlab import __version__
from rnnlab.errors import ConfigError
from rnnlab.exports.to_onnx import Graph
from rnnlab.files.untrusted import Results, RunCard
from rnnlab.metric import base_name
from rnnlab.models.base import Model
from rnnlab.runs.run import Run
from rnnlab.spec import Port, Tokens
from rnnlab.spelling import printable

_SAFETENSORS = """\
```python
from rnnlab.exports.weights import load

trained = load("{directory}")
trained.model, trained.task                # ready to evaluate; trained.model(batch)
```

The weights alone, for code of your own: `safetensors.torch.load_file("model.safetensors")`.
"""

_STREAM = """\
```python
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("model.onnx")
(output,) = session.run(None, {{"input": np.zeros({shape}, np.{kind}){initial}}})
```

To generate, take the state of `begin.onnx` and give the states `new_state...` that `step.onnx`
returns back to it as `state...`, with the next input.
"""

_ENCODER = """\
```python
import numpy as np
import onnxruntime

encoder, step = (onnxruntime.InferenceSession(f"{{name}}.onnx") for name in ("encoder", "step"))
source = {{"source": np.zeros({shape}, np.{kind}), "source_mask": np.ones((2, 9), bool)}}
names = [value.name for value in encoder.get_outputs()]
state = dict(zip(names, encoder.run(None, source)))
asked = {{value.name for value in step.get_inputs()}}
results = [value.name for value in step.get_outputs()]
for input in decoder_inputs:                 # of each step, a row for each sequence
    given = {{"input": input, **{{name: state[name] for name in asked & state.keys()}}}}
    output, *new = step.run(None, given)
    state |= {{name.removeprefix("new_"): part for name, part in zip(results[1:], new)}}
```

`source_mask` is True on real steps of the source, which come first in each row.
"""


def model_card(
    run: Run, model: Model, checkpoint: str, graphs: Sequence[Graph], config: str, directory: str
) -> str:
    """Return the model card, in Markdown.

    Args:
        run: where the model was trained.
        model: the model.
        checkpoint: which of its weights they are.
        graphs: its ONNX files; none of safetensors.
        config: the config as YAML.
        directory: where the files are, for the example.
    """
    card, results = run.card, _results(run)
    choices = run.config.choices
    name, task = str(choices["model"]), str(choices["task"])
    blocks = [
        f"# {printable(name)} on {printable(task)}",
        f"A sequence model, trained by rnnlab and exported by rnnlab {__version__} from "
        f"its {checkpoint} weights.",
        "## Model",
        _table(["", ""], _facts(run, model, card, results)),
        "## Scores",
        _scores(results) if results else "The run has no scores: it was not trained to its end.",
        "## Use",
        _use(model, graphs, directory),
        "## Config",
        f"```yaml\n{printable(config, lines=True)}```",
    ]
    return "\n\n".join(block.rstrip("\n") for block in blocks) + "\n"


def _results(run: Run) -> Results | None:
    try:
        return run.results
    except ConfigError:
        return None


def _facts(run: Run, model: Model, card: RunCard, results: Results | None) -> list[tuple[str, str]]:
    spec = model.spec
    git = card.get("git") or {}
    commit = git.get("commit", "unknown") + (", with changes" if git.get("dirty") else "")
    versions = card.get("versions", {})
    parameters = sum(part.numel() for part in model.parameters())
    facts = [
        ("reads", _port(spec.input) if spec.source is None else _port(spec.source)),
        ("answers", "features" if spec.target is None else _port(spec.target)),
        ("answers are fed back", "yes" if spec.feedback else "no"),
        ("parameters", f"{parameters:,}"),
        ("updates", f"{results['steps']:,}, best at {results['best_step']:,}" if results else "?"),
        ("seconds of training", f"{card.get('seconds', math.nan):.4g}"),
        ("seed", str(card.get("seed", run.config.get("seed")))),
        ("commit of rnnlab", commit),
        ("torch", versions.get("torch", "unknown")),
        ("trained", str(card.get("started", "unknown"))),
    ]
    if overrides := card.get("overrides"):
        words = (f"{key}={value}" for key, value in overrides.items() if key != "output_dir")
        facts.append(("command", f"`{join(['rnnlab-train', *words])}`"))
    return facts


def _port(port: Port) -> str:
    if isinstance(port, Tokens):
        return f"ids below {port.vocab_size}"
    return f"vectors of {port.size}"


def _scores(results: Results) -> str:
    columns: dict[str, Mapping[str, float]] = {
        "test": results["test"],
        "validation": results["val"],
        "floor": results["floor"],
    }
    names = [name for name in results["test"] if name not in ("grad_norm", "learning_rate")]
    rows = []
    for name in names:
        values = (
            part.get(base_name(name) if column == "floor" else name)
            for column, part in columns.items()
        )
        rows.append((name, *("" if value is None else f"{value:.4g}" for value in values)))
    floor = "The floor is what needs no memory or no learning; `free_` is free running."
    return _table(["metric", *columns], rows) + f"\n\n{floor}"


def _use(model: Model, graphs: Sequence[Graph], directory: str) -> str:
    if not graphs:
        return _SAFETENSORS.format(directory=directory)
    parts = []
    for graph in graphs:
        rows = [("in", f"`{name}`", kind) for name, kind in graph.inputs.items()]
        rows += [("out", f"`{name}`", kind) for name, kind in graph.outputs.items()]
        parts += [
            f"`{graph.name}` {graph.meaning}. By onnxruntime, at two lengths and batch "
            f"sizes, it differs from the model by {graph.difference:.1g} at most.",
            _table(["", "name", "type and sizes"], rows),
        ]
    source = model.spec.source or model.spec.input
    shape = "(2, 9)" if isinstance(source, Tokens) else f"(2, 9, {source.size})"
    kind = "int64" if isinstance(source, Tokens) else "float32"
    clamped = model.spec.initial
    initial = clamped and f', "initial": np.zeros((2, {clamped.size}), np.float32)'
    example = _STREAM if model.spec.source is None else _ENCODER
    return "\n\n".join([*parts, example.format(shape=shape, kind=kind, initial=initial or "")])


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(map(printable, line))} |" for line in lines)
