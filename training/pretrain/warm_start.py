"""A pre-training that begins with the weights of a finished one; `Objective.load_4m` begins with 4M's."""

from pathlib import Path
from typing import Any

from training.common.checkpoint import CONFIG, METRICS, WEIGHTS, load_tensors, read_json
from training.pretrain.config import PretrainConfig
from training.pretrain.objective import Objective

_SAME = {"objective", "modalities", "encoder", "decoder_depth"}
"""Fields in which a pre-training agrees with the one that it goes on from, beside those of the objective's
`architecture`."""


def continue_from(config: PretrainConfig, objective: Objective, folder: Path) -> dict[str, Any]:
    """Put the weights of the finished pre-training in `folder` into the objective that `config` made, all of
    them; returns what to note of it.

    Raises ValueError naming what differs: a field, the tokens of a modality, or shapes.
    """
    facts = read_json(folder / CONFIG)
    theirs, mine = (_architecture(c) for c in (PretrainConfig.model_validate(facts["pretrain"]), config))
    differs = [f"{k}: {theirs.get(k)!r} there, {mine[k]!r} here" for k in mine if theirs.get(k) != mine[k]]
    known = facts.get("tokens", {})
    differs += [
        f"tokens of {m}: {known[m]} there, {array} here (take the tokenizer that it had)"
        for m, array in objective.token_arrays().items()
        if known.get(m, array) != array
    ]
    weights, state = load_tensors(folder / WEIGHTS)[0], objective.state_dict()
    if not differs:
        differs += [f"{k} is in one of the two only" for k in sorted(weights.keys() ^ state.keys())]
        differs += [
            f"{k}: shape {list(weights[k].shape)} there, {list(state[k].shape)} here"
            for k in sorted(weights.keys() & state.keys())
            if weights[k].shape != state[k].shape
        ]
    if differs:
        raise ValueError(f"pre-training cannot start from {folder}: " + "; ".join(differs[:8]))
    objective.load_state_dict(weights)
    return {"from": str(folder), "frames_digest": read_json(folder / METRICS)["frames_digest"]}


def _architecture(config: PretrainConfig) -> dict[str, Any]:
    return config.model_dump(mode="json", include=_SAME) | config.own.architecture()
