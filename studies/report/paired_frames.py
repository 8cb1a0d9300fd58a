"""Comparisons of two points frame by frame: Wilcoxon's signed-rank test over frames, with Holm's correction
over all comparisons of the section: the tests by which MMEarth-Bench compares test-time training with joint
training. That frames are the pairs is this project's choice.

The scores of a frame are averaged over the repeats that evaluated the same frames, since repeats of one frame
are no new frames."""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from studies.report.analysis.claims import columns, pairs
from studies.report.analysis.metrics_text import label
from studies.report.analysis.rows import Point, Row, Table
from studies.report.analysis.statistics import holm, signed_rank
from studies.report.page import heading, paragraph, table


@dataclass(frozen=True)
class FramePairs:
    """Two points on the same frames."""

    a: Point
    b: Point
    metric: str
    differences: Float[np.ndarray, " n"]
    """Score of a - score of b, by frame."""
    p: float
    """Of Wilcoxon's signed-rank test."""
    stands_among_all: bool
    """Whether it is significant when all comparisons are held to 5 % together (Holm)."""


def frame_pairs(data: Table) -> list[FramePairs]:
    """Every comparison of the page, metric by metric, that has scores of single frames."""
    found = []
    for metric in columns(data):
        for a, b in pairs(data):
            differences = _differences(data, a, b, metric)
            if len(differences):
                found.append((a, b, metric, differences, signed_rank(differences)))
    stand = holm([p for *_, p in found])
    return [
        FramePairs(a, b, metric, differences, p, stands)
        for (a, b, metric, differences, p), stands in zip(found, stand, strict=True)
    ]


def _differences(data: Table, a: Point, b: Point, metric: str) -> Float[np.ndarray, " n"]:
    """a - b of each frame that both have a score of."""
    by_frames: defaultdict[str, list[np.ndarray]] = defaultdict(list)
    for repeat in data.repeats():
        rows = data.row(a, repeat), data.row(b, repeat)
        ours, theirs = (None if row is None else _scores(row, metric) for row in rows)
        if ours is not None and theirs is not None and ours[0] == theirs[0]:
            by_frames[ours[0]].append(ours[1] - theirs[1])
    means = [np.mean(differences, axis=0) for differences in by_frames.values()]
    joined = np.concatenate([np.zeros(0), *means])
    return joined[~np.isnan(joined)]


def _scores(row: Row, metric: str) -> tuple[str, Float[np.ndarray, " n"]] | None:
    """The digest of the evaluated frames and their scores, NaN without labels; those of `test/miou` are in
    `test/frame_miou`. None where the row has none."""
    where, _, name = metric.rpartition("/")
    scores = row["metrics"].get(f"{where}/frame_{name}")
    if scores is None:
        return None
    return row["metrics"][f"{where}/frames_digest"], np.array(scores, dtype=np.float64)


def frame_by_frame(data: Table) -> str:
    """HTML: a table of these comparisons; nothing where no row has scores of frames."""
    found = frame_pairs(data)
    if not found:
        return ""
    head = ["comparison", "metric", "frames", "better in", "worse in", "median difference", "p"]
    head.append("stands among all")
    body = [
        [
            f"{f.a.label} against {f.b.label}",
            label(f.metric),
            f"{len(f.differences):,}",
            f"{100 * (f.differences > 0).mean():.0f} %",
            f"{100 * (f.differences < 0).mean():.0f} %",
            f"{100 * np.median(f.differences):+.2f}",
            f"{f.p:.2g}",
            "yes" if f.stands_among_all else "no",
        ]
        for f in found
    ]
    kinds = ["claim" if f.stands_among_all else "" for f in found]
    note = (
        "Wilcoxon's signed-rank test of the score of each frame alone, in points, after the mean over "
        f"repeats; stands among all: p holds when all {len(found)} tests are held to 5 % together (Holm). It "
        "speaks of these models on frames of these houses, which are not independent of each other, and not "
        "of other trainings and houses: see the comparisons over repeats."
    )
    return heading("Frame by frame") + paragraph(note, "note") + table(head, body, kinds)
