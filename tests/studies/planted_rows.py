"""Rows of made-up studies whose truth is known, as a runner would write them."""

from typing import Any

import numpy as np

CLASSES = ["wall", "floor", "chair"]


def row(
    arm: str,
    repeat: int,
    metrics: dict[str, Any],
    point: dict[str, Any] | None = None,
    *,
    arms: list[str],
    axes: dict[str, list[Any]] | None = None,
    report: dict[str, Any] | None = None,
    seeds: dict[str, int] | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """One row; `fields` replace whole entries of it."""
    point = point or {}
    name = "-".join([arm, *map(str, point.values()), str(repeat)])
    stages = {
        f"transfer-{name}": {
            "kind": "transfer",
            "label": f"transfer (finetune) from {name}",
            "folder": f"stages/transfer-{name}",
            "metrics": {"curve": [[10, 3.0 - 0.1 * repeat], [20, 2.0], [30, 1.5]]},
            "needs": ["houses"],
        },
        "houses": {
            "kind": "houses",
            "label": "houses test: 1 of apartment",
            "folder": "stages/houses-0",
            "metrics": {"houses": 1},
            "needs": [],
        },
    }
    return {
        "study": "planted",
        "question": "Does what was planted show?",
        "preset": "laptop",
        "figure": "Fig. 8",
        "arm": arm,
        "arms": arms,
        "point": point,
        "axes": axes or {},
        "seeds": seeds or {"houses": 0, "poses": 0, "init": repeat, "draws": repeat},
        "repeat": repeat,
        "metrics": metrics,
        "stages": stages,
        "evaluations": {"test": f"stages/evaluate-{name}"},
        "cost": {
            "seconds": {f"transfer {name}": 60.0, "houses test: 1 of apartment": 2.0},
            "seconds_total": 62.0,
            "measured": {},
            "machine": "x86_64, Linux",
            "torch": "2.13.0",
        },
        "upper_bound": False,
        "code_version": "abc1234",
        "config": {"arm": arm, "pretrain": {"samples": 1024, "lr": 0.001}, "seeds": repeat},
        "report": report or {},
        "file": f"{name}.json",
    } | fields


def scores(miou: float, houses: dict[str, float] | None = None) -> dict[str, Any]:
    """Metrics of an evaluated set `test` around a mIoU; `houses` are those of single houses."""
    found: dict[str, Any] = {
        "test/miou": miou,
        "test/pixel_accuracy": min(1.0, 3 * miou),
        "test/frames": 300,
        "test/classes": CLASSES,
    }
    found |= {f"test/iou/{name}": miou * (1.5 - 0.5 * i) for i, name in enumerate(CLASSES)}
    return found | ({"test/space_miou": houses} if houses else {})


def bars(report: dict[str, Any] | None = None, repeats: int = 3, houses: int = 0) -> list[dict[str, Any]]:
    """scratch .17, mae .19, mm .22 and a repeat's own luck, shared by the arms."""
    rng = np.random.default_rng(0)
    arms = {"scratch": 0.17, "tst-mae": 0.19, "tst-mm": 0.22}
    luck, names = rng.normal(0, 0.01, repeats), [f"house-{i}" for i in range(houses)]
    rows = []
    for arm, mean in arms.items():
        for r in range(repeats):
            value = mean + luck[r] + rng.normal(0, 0.002)
            each = {name: value + 0.01 * (i - (houses - 1) / 2) for i, name in enumerate(names)}
            rows.append(row(arm, r, scores(value, each), arms=list(arms), report=report or {"form": "bars"}))
    return rows


def curve(
    report: dict[str, Any] | None = None, repeats: int = 3, reach: float = 0.22
) -> list[dict[str, Any]]:
    """iid grows by .02 a tenfold from .16; test-house stands at `reach`, scratch at .15."""
    rng = np.random.default_rng(1)
    levels, arms = [1, 10, 100, 1000], ["scratch", "test-house", "iid"]
    report = report or {
        "form": "curve",
        "metrics": ["test/miou", "test/pixel_accuracy"],
        "x": "houses",
        "log_x": True,
        "fit": "log",
        "worth_of": "test-house",
        "claims": [["test-house", "scratch"], ["test-house", "iid@1"], ["iid@1000", "iid@1"]],
        "paper": {
            "source": "Fig. 8, read off",
            "columns": ["houses", "mIoU"],
            "rows": [[1, 20.5], [100, None]],
        },
        "expect": "Many other houses are worth one test house.",
    }
    rows = []
    for r in range(repeats):
        luck = rng.normal(0, 0.004)
        rows += [
            row(
                arm,
                r,
                scores(mean + luck + rng.normal(0, 0.001)),
                arms=arms,
                axes={"houses": levels},
                report=report,
            )
            for arm, mean in (("scratch", 0.15), ("test-house", reach))
        ]
        for k, level in enumerate(levels):
            value = 0.16 + 0.02 * k + luck + rng.normal(0, 0.001)
            rows.append(
                row(
                    "iid",
                    r,
                    scores(value),
                    {"houses": level},
                    arms=arms,
                    axes={"houses": levels},
                    report=report,
                )
            )
    return rows


def heatmap(repeats: int = 3, worth: float = 0.03, seed: int = 2) -> list[dict[str, Any]]:
    """Learned in one of four houses, evaluated in each: `worth` more at home; rows and columns differ."""
    rng = np.random.default_rng(seed)
    levels = ["a", "b", "c", "d"]
    report = {"form": "heatmap", "x": "learned_in", "metrics": ["{x}/miou"]}
    rows = []
    for r in range(repeats):
        for i, home in enumerate(levels):
            metrics = {
                f"{there}/miou": 0.2 + 0.01 * i - 0.02 * j + worth * (i == j) + rng.normal(0, 0.002)
                for j, there in enumerate(levels)
            }
            rows.append(
                row(
                    "tst-mm",
                    r,
                    metrics,
                    {"learned_in": home},
                    arms=["tst-mm"],
                    axes={"learned_in": levels},
                    report=report,
                )
            )
    return rows


def paths(repeats: int = 3) -> list[dict[str, Any]]:
    """Continued on the perturbed house: it recovers, and the original is forgotten a little."""
    rng = np.random.default_rng(3)
    levels, arms = [0, 1000, 2000, 4000], ["no replay", "replay"]
    report = {"form": "paths", "x": "frames", "metrics": ["original/miou", "perturbed/miou"]}
    rows = []
    for r in range(repeats):
        for arm, forgets in zip(arms, (0.02, 0.005), strict=True):
            for level in levels:
                share = level / levels[-1]
                metrics = {
                    "original/miou": 0.22 - forgets * share + rng.normal(0, 0.001),
                    "perturbed/miou": 0.18 + 0.03 * share + rng.normal(0, 0.001),
                }
                rows.append(
                    row(arm, r, metrics, {"frames": level}, arms=arms, axes={"frames": levels}, report=report)
                )
    return rows
