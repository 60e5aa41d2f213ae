"""What was meant by a name that is none here: a slip of the keyboard, or another tool's word."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rnnlab.spelling import printable

_LONGEST = 60  # letters of a name that is worth a suggestion
_UNFIT = 0.75  # what it costs that the value is of another kind, in slips

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
    "model.cell.hidden_size": (
        "hidden hiddens hidden_dim hidden_units num_hidden n_hidden nhid hid_size units num_units "
        "rnn_size d_model width state_size hidden_sizes"
    ),
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
"""What it is called here -> what others call it."""

_FIXED = {
    "trainer=gpu": "gpu cuda use_cuda use_gpu device accelerator gpus",
    "trainer=cpu": "cpu no_cuda",
    "trainer.precision=16-mixed": "fp16 amp half mixed_precision use_amp",
    "trainer.precision=bf16-mixed": "bf16",
    "logger=wandb": "wandb use_wandb",
    "logger=mlflow": "mlflow use_mlflow",
}
"""Words that have their value already -> what others call the two together."""

_KEYS: dict[str, list[str]] = {}
for _key, _names in _CALLED.items():
    for _name in _names.split():
        _KEYS.setdefault(_name, []).append(_key)
_WORDS = {name: word for word, names in _FIXED.items() for name in names.split()}
_ON_CPU = ("cpu", "false", "0", "none", "null", "no", "off")


def did_you_mean(word: str, known: Iterable[str], value: str | None = None) -> str:
    """Suggest what was meant, as the end of a sentence; nothing where nothing is near.

    Args:
        word: what was typed.
        known: what there is; where it is a mapping, to the present value of a setting or to the
            options of a group.
        value: what was typed behind the word.
    """
    found = candidates(word, known, value)
    return f": did you mean {' or '.join(found)}?{unit_hint(word, found)}" if found else ""


def explain_argument(word: str, after: str, keys: Sequence[str]) -> str:
    """Say of a word that is no `KEY=VALUE` what was meant, as far as one can guess.

    Args:
        word: an option of another tool's kind, a key without a value, or a path.
        after: the word behind it, perhaps the option's value; nothing at the end.
        keys: the settings of the command.
    """
    name, equals, value = word.partition("=")
    said = f"{printable(name or word)!r} can't be read as KEY=VALUE"
    if word.startswith("-"):
        said = f"{printable(name)} is not an option; settings are KEY=VALUE, without dashes"
    elif "run" in keys and os.path.isdir(word):
        return f"{said}: did you mean run={printable(word)}?"
    value = (
        value if equals else after if after and "=" not in after and after[0] != "-" else "VALUE"
    )
    found = [f"{key}={printable(value)}" for key in candidates(name, keys)]
    return f"{said}: did you mean {' or '.join(found)}?" if found else said


def unit_hint(word: str, found: Sequence[str]) -> str:
    """Say in what the setting that was meant counts, where the word counts in something else."""
    other = "epoch" in word.lower() and any("max_steps" in name for name in found)
    return " It counts updates, not epochs" if other else ""


def candidates(word: str, known: Iterable[str], value: str | None = None) -> list[str]:
    """Give the names, or a word with its value, that somebody may have meant by a name."""
    given = known if isinstance(known, Mapping) else dict.fromkeys(known)
    # The program fills the record of choices in: nobody sets it.
    values = {key: value for key, value in given.items() if not key.startswith("choices")}
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
    # Of one's own settings what is called so comes first, unless its value could never be that.
    for keys in ([key for key in fitting if key in same], called, same):
        if keys:
            return keys[:2] if "." in keys[0] else keys[:1]
    return nearest(word, values, value)


def nearest(word: str, known: Mapping[str, Any], value: str | None = None) -> list[str]:
    """Give the name that is the fewest slips away from a word, if it is near at all."""
    word = word.lower()
    if len(word) > _LONGEST:
        return []
    most = max(1, round(len(word) / 3))
    ranked = []
    for key in known:
        if _last(key).startswith("_") and not _last(word).startswith("_"):
            continue  # which class it is made of is no slip away from anything
        slips = _slips(word, key, most)
        if slips <= most:
            unfit = _UNFIT * (value is not None and not _fits(value, known[key]))
            ranked.append((slips + unfit, abs(len(word) - len(key)), key))
    return [min(ranked)[2]] if ranked else []


def _slips(word: str, key: str, most: int) -> float:
    """Count what must have gone wrong for somebody to type a word for a key."""
    own, last = _last(word), _last(key)
    found = float(distance(word, key.lower(), most))
    if "." in key and (len(own) > 2 or own == word):
        found = min(found, 0.5 + distance(own, last.lower(), max(1, round(len(own) / 3))))
    if len(own) > 2 and last.startswith(own):
        found = min(found, 1.0)
    return found


def distance(one: str, other: str, most: int) -> int:
    """Count the letters to insert, drop, replace or swap with their neighbour.

    Optimal string alignment (Damerau 1964). A count above `most` is given as one that no two words
    of these lengths have.
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
    """Translate a name and a value at once, where the value is another one here."""
    if name not in _WORDS or name in known:
        return None
    word = _WORDS[name]
    said = (value or "").lower()
    if word == "trainer=gpu":
        if said.isdecimal() and int(said) > 1 and "trainer.devices" in known:
            return f"trainer=ddp trainer.devices={said}"
        word = "trainer=cpu" if said in _ON_CPU and said else word
    group, _, option = word.partition("=")
    if group not in known or (isinstance(known[group], tuple) and option not in known[group]):
        return None
    return word


def _places(key: str, known: Mapping[str, Any]) -> list[str]:
    """Give where a setting is: the parts of an encoder-decoder have a cell each."""
    if key in known:
        return [key]
    first, *rest = key.split(".")
    return [name for name in known if rest and name.split(".")[0] == first and _ends(name, rest)]


def _ends(name: str, rest: Sequence[str]) -> bool:
    return name.split(".")[1:][-len(rest) :] == list(rest)


def _last(key: str) -> str:
    return key.rsplit(".", 1)[-1]


def _fits(value: str, present: Any) -> bool:
    """Tell whether a value may be one of a setting, by its kind."""
    first = re.split(r",(?![^\[({]*[\])}])", value)[0].strip()
    if present is None or not first or first == "null" or first.startswith("${"):
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
