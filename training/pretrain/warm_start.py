"""Where a pre-training begins when it is not at random weights: a checkpoint of 4M's, or a finished
pre-training of ours."""

from pathlib import Path
from typing import Any

from scenes.config import Config
from training.common.checkpoint import CONFIG, METRICS, WEIGHTS, load_tensors, read_json
from training.fourm.checkpoints import STORE_NAMES, read_4m, take
from training.models.encoder import EncoderConfig
from training.pretrain.objectives import MultimodalObjective, Objective

_SAME = ("objective", "modalities", "encoder", "decoder_depth", "tied")
"""Fields in which a pre-training agrees with the one that it goes on from."""


def start_from_4m(objective: Objective, source: str) -> dict[str, Any]:
    """Put what fits of a 4M checkpoint into the model, say what that was, and return it."""
    if not isinstance(objective, MultimodalObjective):
        raise ValueError(f"a start from {source} is for objective mm: others have another model")
    report = take(objective.model, read_4m(source), STORE_NAMES)
    print(f"started from {source}: {report}", flush=True)
    return report.as_dict()


def continue_from(config: Config, objective: Objective, folder: Path) -> dict[str, Any]:
    """Put the weights of the finished pre-training in `folder` into the objective that `config` made, all of
    them; returns what to note of it.

    Raises ValueError naming what differs: a field, the tokens of a modality, or shapes.
    """
    facts = read_json(folder / CONFIG)
    theirs, mine = facts["pretrain"], config.model_dump(mode="json")
    theirs["encoder"] = EncoderConfig.model_validate(theirs["encoder"]).model_dump(mode="json")
    differs = [
        f"{k}: {theirs.get(k)!r} there, {mine[k]!r} here" for k in _SAME if theirs.get(k, mine[k]) != mine[k]
    ]
    known = facts.get("tokens", {})
    differs += [
        f"tokens of {m}: {known[m]} there, {array} here (take the tokenizer that it had)"
        for m, array in token_arrays(objective).items()
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


def token_arrays(objective: Objective) -> dict[str, str]:
    """The array of a store that holds each modality's tokens of whole frames: it says which tokenizer is
    behind them, of whatever crops they are."""
    if not isinstance(objective, MultimodalObjective):
        return {}
    return {s.name: s.array.removesuffix(f"_{objective.crops.digest}") for s in objective.model.specs}
