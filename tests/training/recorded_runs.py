"""Plays recorded runs of public code again: files of tests/golden/modality_generalization, and others alike.

A file is `<source>_<algorithm>[_…].npz`; its README says what is in it. Recorded weights are put in by name
(`OURS`), recorded random numbers are handed out in the order of the calls that drew them."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training.generalization.algorithm import Algorithm, Batch, Draws, Setting
from training.generalization.algorithms.registry import ALGORITHMS, build_algorithm
from training.generalization.algorithms.sagnet import PASSES
from training.generalization.networks import Mlp

Recording = Mapping[str, np.ndarray]

OURS = (
    (r"^(featurizer|network_f)\.featurizer\.(\d)\.", r"featurizer.layers.\2."),
    (r"^network_f\.", "featurizer."),
    (r"^network_c\.", "content."),
    (r"^network_s\.", "style."),
    (r"^cls_f\.", "classifier."),
    (r"^uni_fc\.", "own."),
    (r"^network_sma\.0\.featurizer\.(\d)\.", r"averaged.0.layers.\1."),
    (r"^network_sma\.", "averaged."),
)
"""Names of parameters in public code and here."""
PERCEPTRON = re.compile(
    r"^(.*(?:featurizer|discriminator|averaged\.0))\.(input|hiddens\.\d|dense\d|output)\.(\w+)$"
)
"""Parameters of perceptrons, whose layers are numbered here."""
REPORTED: dict[str, str] = {"total_loss": "loss"}
"""Names of reported numbers in public code, where they differ."""
COUNTS = {"update_count", "alpha"}
"""In recorded states, though no parameters: the number of steps, and a hyperparameter of EQRM's."""


def algorithm_of(path: Path) -> tuple[str, str]:
    """Source (modalbed, domainbed, idxfix, ogmfix) and name of the algorithm that a file's name gives."""
    source, _, rest = path.stem.partition("_")
    return source, max((name for name in ALGORITHMS if rest.startswith(name + "_")), key=len)


def build(path: Path, recording: Recording) -> Algorithm:
    """The algorithm of a recording in double precision, its weights those of before the first step."""
    source, name = algorithm_of(path)
    _, modalities, _, width = recording["X"].shape
    state = state_of(recording, "init")
    classes = state["content.weight" if name == "SagNet" else "classifier.weight"].shape[0]
    options: dict[str, Any] = {}
    if source == "modalbed":
        options["faults"] = ALGORITHMS[name].knows
    elif source == "idxfix":  # only the rows of multimodal batches are repaired
        options["faults"] = [fault for fault in ALGORITHMS[name].knows if fault != "rows"]
    elif source == "domainbed":  # its own code has none of the faults but those of EQRM and IB-ERM
        options["faults"] = [fault for fault in ALGORITHMS[name].knows if fault != "activation"]
        sizes = [state[key].shape for key in state if re.match(r"featurizer\.linears\.\d\.weight", key)]
        options["featurizer"] = Mlp(width, sizes[-1][0], sizes[0][0], len(sizes))
        if name == "Mixup":
            options["mixes"] = "inputs"
    if name == "ERMPlusPlus" and "switch" in path.stem:
        options["averages_from"] = 4
    hyper = json.loads(str(recording["hparams_json"]))
    algorithm = build_algorithm(name, Setting(width, classes, modalities, seed=0), hyper, **options).double()
    assert set(algorithm.state_dict()) == set(state)
    algorithm.load_state_dict(state)
    return algorithm


def state_of(recording: Recording, step: str) -> dict[str, Tensor]:
    """Weights at `init`, `step0` or `step7`, by our names."""
    prefix = step + "/"
    names = [key.removeprefix(prefix) for key in recording if key.startswith(prefix)]
    names = [name for name in names if name not in COUNTS]
    return {
        ours: torch.from_numpy(recording[prefix + name].copy())
        for name, ours in zip(names, our_names(names), strict=True)
    }


def our_names(names: Iterable[str]) -> Iterator[str]:
    """The names here of the parameters of public code, which are in the order of layers."""
    layers: dict[str, list[str]] = defaultdict(list)
    for name in names:
        for pattern, ours in OURS:
            name = re.sub(pattern, ours, name)
        if found := PERCEPTRON.match(name):
            network, layer, kind = found.groups()
            if layer not in layers[network]:
                layers[network].append(layer)
            name = f"{network}.linears.{layers[network].index(layer)}.{kind}"
        yield name


def draws_of(recording: Recording, step: int, algorithm: Algorithm) -> Draws:
    """The random choices of a step, of the numbers that public code drew in it."""
    prefix = f"rng/step{step}/"
    keys = sorted(key for key in recording if key.startswith(prefix))
    drawn = [torch.from_numpy(np.asarray(recording[key])) for key in keys]
    kinds = [key.rpartition("_")[2] for key in keys]
    if not drawn:
        return {}
    if kinds == ["rand"]:
        return {"noise": drawn[0]}
    if kinds == ["rand", "randperm"] * len(PASSES):
        return {"share": torch.stack(drawn[::2]), "swap": torch.stack(drawn[1::2])}
    assert kinds == ["randperm"] + ["beta"] * algorithm.setting.modalities
    return {"order": drawn[0], "share": torch.stack(drawn[1:])}


def play(path: Path) -> dict[str, float]:
    """Plays a recording; returns the largest difference of each thing that it holds."""
    with np.load(path) as file:
        recording = {key: file[key] for key in file.files}
    algorithm = build(path, recording)
    differences: dict[str, float] = {}
    steps = len(recording["X"])
    for step in range(steps):
        labels = torch.from_numpy(recording["Y"][step])
        if algorithm.paired:  # items of all modalities have the labels of the first
            labels = labels[:1].expand_as(labels)
        batch = Batch(torch.from_numpy(recording["X"][step]), labels)
        reported = algorithm.update(batch, draws_of(recording, step, algorithm), epoch=0.25 * step)
        for name in (key.removeprefix("metric/") for key in recording if key.startswith("metric/")):
            value = reported.get(REPORTED.get(name, name), np.nan)
            _note(differences, f"metric/{name}", np.asarray(value), recording[f"metric/{name}"][step])
        ours = algorithm.state_dict()
        for name, weights in state_of(recording, f"step{step}").items():
            _note(differences, f"step{step}/{name}", ours[name].numpy(), weights.numpy())
    with torch.no_grad():
        logits = algorithm.predict(torch.from_numpy(recording["X_test"]))
    _note(differences, "logits_test", logits.numpy(), recording["logits_test"])
    return differences


def _note(differences: dict[str, float], key: str, ours: np.ndarray, theirs: np.ndarray) -> None:
    """Takes account of a difference; what is not a number on one side alone differs infinitely."""
    assert ours.shape == theirs.shape, key
    apart = np.where(np.isnan(ours) & np.isnan(theirs), 0.0, np.nan_to_num(np.abs(ours - theirs), nan=np.inf))
    differences[key] = max(differences.get(key, 0.0), float(apart.max()))
