"""Hyperparameters, splits and selectors of modality generalization are those of the public code."""

import csv
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from studies.spec.paper import FOLDER
from training.generalization.algorithm import Setting
from training.generalization.algorithms.concat import MOMENTUM
from training.generalization.algorithms.registry import ALGORITHMS, build_algorithm
from training.generalization.hyperparameters import (
    COMMON,
    HIGH_LEARNING_RATE,
    LEARNING_RATE,
    Hyperparameter,
    one_of,
    seed_hash,
    uniform,
    values,
    with_high_learning_rate,
)
from training.generalization.networks import Featurizer
from training.generalization.selection import SELECTORS, Checkpoint, SelectorName, ranked
from training.generalization.splits import split

GOLDEN = Path(__file__).parents[1] / "golden/modality_generalization"
MULTIMODAL = {"Concat", "OGM", "LFM"}


def constant(name: str, value: object) -> Hyperparameter:
    return Hyperparameter(name, value, lambda random: value)


UNREAD = (
    *(constant(name, False) for name in ("resnet18", "dinov2", "vit", "vit_attn_tune", "freeze_bn", "lars")),
    *(constant(name, False) for name in ("class_balanced", "nonlinear_classifier")),
    *(constant(name, True) for name in ("data_augmentation", "resnet50_augmix", "freeze_perceptor")),
    *(Hyperparameter(name, 0.0, one_of(0.0, 0.1, 0.5)) for name in ("resnet_dropout", "vit_dropout")),
    constant("linear_steps", 500),
)
"""In the public code's tables and read by no algorithm: what DomainBed's image networks have."""
UNREAD_BY = {
    "CondCAD": [
        constant("is_normalized", False),
        constant("is_project", False),
        constant("is_flipped", True),
    ],
    "URM": [
        constant("urm", "adversarial"),
        constant("urm_discriminator_optimizer", "adam"),
        constant("urm_discriminator_label_smoothing", 0),
    ],
    **{
        name: [
            Hyperparameter("patience", 70, uniform(60, 80)),  # [epochs] of a schedule that is never stepped
            Hyperparameter("gamma", 0.1, uniform(0, 0.5)),
            MOMENTUM,  # Concat has Adam
        ]
        for name in MULTIMODAL
    },
}
RECORDED = json.loads((GOLDEN / "hparams_draws.json").read_text())


@pytest.mark.parametrize("key", RECORDED)
def test_draws_are_equal_to_the_last_bit(key):
    dataset, perceptor, name = key.split("|")
    table = ALGORITHMS[name].hyperparameters
    if "strongMG" in perceptor and dataset == "NYUDv2":
        table = with_high_learning_rate(table)
        rate = HIGH_LEARNING_RATE
    else:
        rate = HIGH_LEARNING_RATE if name in MULTIMODAL else LEARNING_RATE
    names = constant("perceptor", perceptor), constant("dataset", dataset)
    whole = [*UNREAD, *UNREAD_BY.get(name, ()), rate, *COMMON[1:], *names]
    for run, expected in RECORDED[key].items():
        search, trial = (0, 0) if run == "default" else (int(part[1:]) for part in run.split("_"))
        ours = values(table, search, trial)
        assert ours == {name: expected[name] for name in ours}, run
        assert values(whole, search, trial) | ours == expected, run


def test_names_of_a_table_are_its_own():
    for name, algorithm in ALGORITHMS.items():
        names = [h.name for h in algorithm.hyperparameters]
        assert len(set(names)) == len(names), name


def test_seeds_are_hashes_of_what_is_printed():
    splits = json.loads((GOLDEN / "splits.json").read_text())
    for key, recorded in splits.items():
        trial, modality = (int(part.lstrip("tenv")) for part in key.split("_"))
        assert seed_hash(trial, modality) == recorded["seed"]
        validation, training = split(50, 10, trial, modality)
        assert (validation.tolist(), training.tolist()) == (recorded["out"], recorded["in"])
    with pytest.raises(ValueError, match="51 items cannot be held out of 50"):
        split(50, 51, 0, 0)


def records() -> dict[int, list[Checkpoint]]:
    """Recorded checkpoints by trial."""
    found = defaultdict(list)
    for line in (GOLDEN / "selection_records.jsonl").read_text().splitlines():
        row = json.loads(line)
        found[row["args"]["trial_seed"]].append(
            Checkpoint(
                row["args"]["hparams_seed"],
                tuple(row["args"]["test_envs"]),
                row["step"],
                tuple(row[f"env{i}_in_acc"] for i in range(4)),
                tuple(row[f"env{i}_out_acc"] for i in range(4)),
                tuple(row[f"env{i}_in_acc"] for i in range(4)),
            )
        )
    return found


PUBLIC: dict[str, SelectorName] = {
    "IIDAccuracySelectionMethod": "training",
    "LeaveOneOutSelectionMethod": "leave-one-out",
    "OracleSelectionMethod": "oracle",
}


def test_selectors_choose_what_the_public_code_chooses():
    by_trial, expected = records(), json.loads((GOLDEN / "selection_expected.json").read_text())
    assert {key.split("|")[0] for key in expected} == set(PUBLIC)
    for key, choice in expected.items():
        method, trial, unseen = key.split("|")
        shuffled = np.random.default_rng(0).permutation(np.array(by_trial[int(trial[5:])], dtype=object))
        found = ranked(PUBLIC[method], shuffled, int(unseen[4:]))
        assert [c.search for c in found] == [r["hparams_seed"] for r in choice["ranked"]], key
        assert [c.test for c in found] == [r["test_acc"] for r in choice["ranked"]], key
        assert [c.validation for c in found] == pytest.approx([r["val_acc"] for r in choice["ranked"]], abs=0)
        assert found[0].test == choice["test_acc"]


def test_leave_one_out_needs_all_pairs_and_the_oracle_alone_sees_test_labels():
    whole = records()[0]
    without = [c for c in whole if (c.search, set(c.held_out)) != (1, {0, 2})]
    assert {c.search for c in ranked("leave-one-out", whole, 0)} == {0, 1, 2}
    assert {c.search for c in ranked("leave-one-out", without, 0)} == {0, 2}
    assert ranked("leave-one-out", [c for c in whole if len(c.held_out) == 1], 0) == []
    assert {name for name, s in SELECTORS.items() if s.needs_pairs} == {"leave-one-out"}
    unseen = 0
    changed = [
        Checkpoint(c.search, c.held_out, c.step, c.trained, (1 - c.validated[0], *c.validated[1:]), c.tested)
        for c in whole
    ]
    differing = {n for n in SELECTORS if ranked(n, whole, unseen) != ranked(n, changed, unseen)}
    assert differing == {name for name, s in SELECTORS.items() if s.sees_test_labels} == {"oracle"}


def table(name: str) -> list[dict[str, str]]:
    with (FOLDER / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_learner_is_that_of_table_3():
    rows = table("modalbed_table3_learner")
    layers = [type(layer).__name__ for layer in Featurizer(64).layers]
    assert layers == [row["layer"] for row in rows if row["part"] == "Featurizer"]
    erm = build_algorithm("ERM", Setting(64, 3, 2, 0), values(COMMON, 0, 0))
    assert isinstance(erm.get_submodule("classifier"), nn.Linear)
    assert [row["layer"] for row in rows if row["part"] == "Classifier"] == ["Linear"]


PRINTED = {
    ("IRM", "lambda"): "irm_lambda",
    ("IRM", "iterations of penalty annealing"): "irm_penalty_anneal_iters",
    ("Mixup", "alpha"): "mixup_alpha",
    ("CDANN", "lambda"): "lambda",
    ("CDANN", "discriminator weight decay"): "weight_decay_d",
    ("CDANN", "discriminator steps"): "d_steps_per_g_step",
    ("CDANN", "gradient penalty"): "grad_penalty",
    ("CDANN", "adam beta1"): "beta1",
    ("SagNet", "weight of adversarial loss"): "sag_w_adv",
    ("IB_ERM", "lambda"): "ib_lambda",
    ("IB_ERM", "iterations of penalty annealing"): "ib_penalty_anneal_iters",
    ("CondCAD", "lambda"): "lmbda",
    ("CondCAD", "temperature"): "temperature",
    ("EQRM", "lr"): "eqrm_lr",
    ("EQRM", "quantile"): "eqrm_quantile",
    ("EQRM", "iterations of burn-in"): "eqrm_burnin_iters",
    ("ERMPlusPlus", "lr"): "linear_lr",
    ("URM", "lambda"): "urm_adv_lambda",
    ("OGM", "alpha"): "alpha",
}
"""Names of Table 4 and of the code, for hyperparameters of single algorithms."""
OF_ALL = {"lr": "lr", "weight decay": "weight_decay"}
OF_MULTIMODAL = {"batchsize": "batch_size", "lr": "lr", "momentum": "momentum", "weight decay": "wc"}
NOT_PRINTED = {
    "mlp_width", "mlp_depth", "mlp_dropout", "lr_g", "lr_d", "weight_decay_g", "linear_steps",
    "urm_discriminator_hidden_layers", "urm_generator_output", "urm_discriminator_lr",
}  # fmt: skip
"""In the code and not in Table 4: sizes and rates of networks that CDANN and URM have beside the learner."""


def test_hyperparameters_are_those_of_table_4():
    rows = table("modalbed_table4_hyperparameters")
    names = {name: {h.name for h in a.hyperparameters} for name, a in ALGORITHMS.items()}
    printed: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row["algorithm"] != "All":
            algorithm = row["algorithm"].replace("ERM++", "ERMPlusPlus")
            printed[algorithm].add(PRINTED[algorithm, row["hyperparameter"]])
        elif row["type"] == "DG":
            for algorithm in ALGORITHMS.keys() - MULTIMODAL - {"CDANN"}:  # which has lr_g, weight_decay_g
                printed[algorithm].add(OF_ALL[row["hyperparameter"]])
        elif row["hyperparameter"] != "patience":  # of the schedule that is never stepped
            for algorithm in MULTIMODAL - ({"Concat"} if row["hyperparameter"] == "momentum" else set()):
                printed[algorithm].add(OF_MULTIMODAL[row["hyperparameter"]])
    for algorithm in ALGORITHMS.keys() - MULTIMODAL:
        printed[algorithm].add("batch_size")  # the row above the groups
    surplus = {name: names[name] - printed[name] for name in ALGORITHMS if names[name] - printed[name]}
    assert surplus.keys() == {"CDANN", "ERMPlusPlus", "URM"}
    assert set().union(*surplus.values()) == NOT_PRINTED
    assert [name for name in ALGORITHMS if printed[name] - names[name]] == []
