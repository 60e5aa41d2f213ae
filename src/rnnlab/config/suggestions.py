"""Suggestions for unknown keys: typing mistakes, and names of other tools."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rnnlab.spelling import printable

_LONGEST = 60  # letters of a name to search suggestions for
_TYPE_PENALTY = 0.75  # added to the edit distance if the value has another type

_CALLED = {
    "trainer.max_steps": (
        "iteration iterations iters iter max_iter max_iters num_iters n_iters niter num_steps "
        "n_steps steps step train_steps total_steps num_train_steps updates num_updates "
        "max_updates epoch epochs ep n_epochs num_epochs nb_epochs max_epochs num_train_epochs"
    ),
    "trainer.val_every": (
        "eval_every eval_interval eval_steps eval_freq val_interval val_freq valid_every "
        "validate_every val_check_interval check_val_every_n_epoch"
    ),
    "trainer.log_every": "log_interval log_steps log_freq logging_steps log_every_n_steps",
    "trainer.save_every": "save_interval save_steps save_freq checkpoint_every every_n_train_steps",
    "trainer.clip_norm": (
        "clip clipping grad_clip gradient_clip gradient_clip_val max_grad_norm max_norm "
        "clip_grad clip_grad_norm"
    ),
    "trainer.accumulate": (
        "accumulate_grad_batches gradient_accumulation_steps grad_accum accumulation_steps"
    ),
    "trainer.patience": "early_stop early_stopping early_stopping_patience",
    "trainer.precision": "dtype",
    "trainer.devices": "num_gpus n_gpus ngpu num_devices",
    "optimizer.lr": "learning_rate learningrate eta alpha rate base_lr init_lr",
    "optimizer.weight_decay": "wd decay l2",
    "optimizer.betas": "beta beta1 beta2 adam_betas",
    "data.batch_size": (
        "batch batchsize bs b train_batch_size minibatch per_device_train_batch_size"
    ),
    "data.eval_batch_size": "test_batch_size val_batch_size valid_batch_size",
    "data.train_size": "num_train n_train train_samples num_samples dataset_size limit_train",
    "data.val_size": "num_val n_val val_samples valid_size limit_val_batches",
    "data.test_size": "num_test n_test test_samples limit_test_batches",
    "task.path": (
        "data dataset_path data_path data_dir data_file datafile file filename corpus text input "
        "input_file train_file train_data"
    ),
    "task.length": "seq_len seqlen seq_length sequence_length block_size context_length max_length",
    "task.level": "tokenizer tokenization tokens",
    "model.num_layers": "layers n_layers nlayers n_layer num_layer depth",
    "model.hidden_size": (
        "hidden hiddens hidden_dim hidden_units num_hidden n_hidden nhid hid_size units num_units "
        "rnn_size d_model n_embd width state_size hidden_sizes"
    ),
    "model.num_heads": "heads n_heads nhead nheads n_head num_attention_heads attention_heads",
    "model.feedforward_size": "dim_feedforward d_ff ffn_dim ff_dim ff_size intermediate_size",
    "model.positions": "pos pos_encoding positional_encoding position_embedding pos_embedding",
    "model.context": "context_size n_ctx window window_size max_len max_seq_len",
    "model.cell.activation": "nonlinearity act act_fn",
    "model.embedding_size": "embedding embed emsize embed_size embedding_dim embed_dim emb_dim",
    "model.dropout": "drop drop_rate dropout_rate p_dropout",
    "model.horizon": "bptt tbptt bptt_steps truncated_bptt_steps truncate",
    "model.attention": "attn attention_type use_attention",
    "model.teacher_forcing": "tf_ratio teacher_forcing_ratio scheduled_sampling",
    "model": "arch architecture net network cell cell_type rnn rnn_type model_type model_name",
    "task": "dataset problem env task_name",
    "optimizer": "optim opt solver optimiser optimizer_type",
    "scheduler": "sched schedule lr_schedule lr_scheduler lr_scheduler_type",
    "logger": "report_to log_with tracker",
    "curriculum": "curriculum_learning",
    "seed": "random_seed manual_seed random_state rng rng_seed",
    "threads": "num_threads n_threads omp_num_threads num_workers workers n_jobs",
    "flush_denormals": "flush_denormal denormals set_flush_denormal ftz",
    "parameters": "params num_params n_params num_parameters n_parameters parameter_budget",
    "output_dir": (
        "out output outdir out_dir outputs_dir output_path log_dir logdir save_dir save_path "
        "default_root_dir results_dir run_dir"
    ),
    "monitor": "metric early_stopping_metric",
    "resume": "resume_from resume_from_checkpoint ckpt ckpt_path checkpoint checkpoint_path",
    "init_from": "pretrained pretrained_model load load_from finetune weights init",
    "sweep_name": "exp_name experiment_name",
    "dry_run": "dry dryrun",
    "run": "run_dir model_dir",
    "prompt": "start prefix seed_text source src",
    "num_samples": "n samples num_return_sequences",
    "temperature": "temp t",
    "length": "max_new_tokens num_tokens n_chars",
    "beam": "beam_size beam_width num_beams",
}
"""Key -> its names in other tools."""

_FIXED = {
    "trainer=gpu": "gpu cuda use_cuda use_gpu device accelerator gpus",
    "trainer=cpu": "cpu no_cuda",
    "trainer.precision=16-mixed": "fp16 amp half mixed_precision use_amp",
    "trainer.precision=bf16-mixed": "bf16",
    "logger=wandb": "wandb use_wandb",
    "logger=mlflow": "mlflow use_mlflow",
}
"""Override -> the options of other tools that mean it."""

_KEYS: dict[str, list[str]] = {}
for _key, _names in _CALLED.items():
    for _name in _names.split():
        _KEYS.setdefault(_name, []).append(_key)
_OVERRIDES = {name: fixed for fixed, names in _FIXED.items() for name in names.split()}
_ON_CPU = ("cpu", "false", "0", "none", "null", "no", "off")


def did_you_mean(word: str, known: Iterable[str], value: str | None = None) -> str:
    """Return `: did you mean ...?` to end an error message with; empty if no name is similar.

    Args:
        word: the unknown name.
        known: the valid names; as a mapping, to the value of a setting or the options of a group.
        value: the value typed with the name.
    """
    found = candidates(word, known, value)
    return f": did you mean {' or '.join(found)}?{unit_hint(word, found)}" if found else ""


def hint(word: str, known: Iterable[str]) -> str:
    """Return the end of an error message about an unknown name: similar names, else all names."""
    return did_you_mean(word, known) or f": it takes {', '.join(known) or 'none'}"


def explain_argument(word: str, after: str, keys: Sequence[str]) -> str:
    """Describe an argument that is not `KEY=VALUE`, with a suggestion.

    Args:
        word: an option as of other tools, a key without a value, or a path.
        after: the next argument, perhaps the option's value; empty at the end.
        keys: the keys of the command.
    """
    name, equals, value = word.partition("=")
    problem = f"{printable(name or word)!r} can't be read as KEY=VALUE"
    if word.startswith("-"):
        problem = f"{printable(name)} is not an option; settings are KEY=VALUE, without dashes"
    elif "run" in keys and os.path.isdir(word):
        return f"{problem}: did you mean run={printable(word)}?"
    value = (
        value if equals else after if after and "=" not in after and after[0] != "-" else "VALUE"
    )
    found = [f"{key}={printable(value)}" for key in candidates(name, keys)]
    return f"{problem}: did you mean {' or '.join(found)}?" if found else problem


def unit_hint(word: str, found: Sequence[str]) -> str:
    """Return a sentence that the suggestion counts updates, if the unknown name counts epochs."""
    other = "epoch" in word.lower() and any("max_steps" in name for name in found)
    return " It counts updates, not epochs" if other else ""


def candidates(word: str, known: Iterable[str], value: str | None = None) -> list[str]:
    """Return the names, or a name with its value, that may have been meant by an unknown one."""
    every = known if isinstance(known, Mapping) else dict.fromkeys(known)
    values = {key: value for key, value in every.items() if not key.startswith("choices")}
    word = word.lstrip("-+~").strip("[](){}'\" ")
    if not word or len(word) > _LONGEST or not values:
        return []
    if word in values:
        return [word]
    last = _last(word)
    name = last.lower().replace("-", "_")
    if fixed := _with_value(name, value, values):
        return [fixed]
    same = [key for key in values if _last(key) == name]
    called = [key for names in _KEYS.get(name, ()) for key in _places(names, values)]
    fitting = [key for key in [*same, *called] if value is None or _fits(value, values[key])]
    # A setting of the same name comes first, unless its value has another type.
    for keys in ([key for key in fitting if key in same], called, same):
        if keys:
            return keys[:2] if "." in keys[0] else keys[:1]
    return nearest(word, values, value)


def nearest(word: str, known: Mapping[str, Any], value: str | None = None) -> list[str]:
    """Return the valid name with the smallest edit distance, if that is small enough."""
    word = word.lower()
    if len(word) > _LONGEST:
        return []
    most = max(1, round(len(word) / 3))
    ranked = []
    for key in known:
        if _last(key).startswith("_") and not _last(word).startswith("_"):
            continue  # never suggest `_target_`
        edits = _edits(word, key, most)
        if edits <= most:
            penalty = _TYPE_PENALTY * (value is not None and not _fits(value, known[key]))
            ranked.append((edits + penalty, abs(len(word) - len(key)), key))
    return [min(ranked)[2]] if ranked else []


def _edits(word: str, key: str, most: int) -> float:
    """Return the edit distance of a name to a key, or to its last part plus a half."""
    own, last = _last(word), _last(key)
    found = float(distance(word, key.lower(), most))
    if "." in key and (len(own) > 2 or own == word):
        found = min(found, 0.5 + distance(own, last.lower(), max(1, round(len(own) / 3))))
    if len(own) > 2 and last.startswith(own):
        found = min(found, 1.0)
    return found


def distance(one: str, other: str, most: int) -> int:
    """Count the letters to insert, delete, replace or swap with their neighbour.

    Optimal string alignment (Damerau, 1964). Above `most` a number is returned that is larger than
    any distance of words of these lengths.
    """
    far = len(one) + len(other) + 1
    if abs(len(one) - len(other)) > most:
        return far
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, wanted in enumerate(other, 1):
            count = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                count = min(count, last[j - 2] + 1)
            row.append(count)
    return row[-1] if row[-1] <= most else far


def _with_value(name: str, value: str | None, known: Mapping[str, Any]) -> str | None:
    """Translate an option of other tools together with its value: `--gpus 2`, `--fp16`."""
    if name not in _OVERRIDES or name in known:
        return None
    override = _OVERRIDES[name]
    typed = (value or "").lower()
    if override == "trainer=gpu":
        if typed.isdecimal() and int(typed) > 1 and "trainer.devices" in known:
            return f"trainer=ddp trainer.devices={typed}"
        override = "trainer=cpu" if typed in _ON_CPU and typed else override
    group, _, option = override.partition("=")
    if group not in known or (isinstance(known[group], tuple) and option not in known[group]):
        return None
    return override


def _places(key: str, known: Mapping[str, Any]) -> list[str]:
    """Return the keys of a setting: encoder and decoder have a `cell` each."""
    if key in known:
        return [key]
    first, *rest = key.split(".")
    return [name for name in known if rest and name.split(".")[0] == first and _ends(name, rest)]


def _ends(name: str, rest: Sequence[str]) -> bool:
    return name.split(".")[1:][-len(rest) :] == list(rest)


def _last(key: str) -> str:
    return key.rsplit(".", 1)[-1]


def _fits(value: str, present: Any) -> bool:
    """Whether a typed value has the type of a setting's present value."""
    first = re.split(r",(?![^\[({]*[\])}])", value)[0].strip()
    if present in (None, "auto") or not first or first == "null" or first.startswith("${"):
        return True
    if isinstance(present, tuple):  # the options of a group
        return first in present or any(distance(first, str(option), 1) <= 1 for option in present)
    if isinstance(present, Mapping):
        return first.startswith("{")
    if isinstance(present, Sequence) and not isinstance(present, str):
        return first.startswith("[")
    if isinstance(present, bool):
        return first.lower() in ("true", "false", "yes", "no", "on", "off")
    return isinstance(present, int | float) == _is_number(first)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
