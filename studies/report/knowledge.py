"""Where what the models of a study know is from: their external access, in words and as a section."""

from collections.abc import Mapping
from typing import Any

from studies.report.analysis.rows import Point, Table
from studies.report.page import heading, paragraph, table
from studies.run.external_access import external_access_of

NONE = "no external access"
_WORDS = {"none": NONE, None: "not recorded"}
_NOTE = (
    "External access is the largest of all that went into a model: frames, networks whose output was a "
    "modality, tokenizers, and the weights that it started from. pseudolabels: a network that learned "
    "elsewhere described the frames; internet: weights themselves are from elsewhere."
)


def access_words(data: Table, point: Point) -> str:
    """The external access of a point's rows."""
    found = dict.fromkeys(external_access_of(row) for row in data.of(point))
    return " / ".join(_WORDS.get(access) or str(access) for access in found)


def knowledge_section(data: Table) -> str:
    """HTML: of every point its external access, and the networks and weights that took part."""
    body = []
    for point in data.points:
        sources = dict.fromkeys(_source(k) for row in data.of(point) for k in row.get("knowledge", ()))
        body.append([point.label, access_words(data, point), "; ".join(sources)])
    head = ["point", "external access", "networks and weights"]
    return heading("External access") + paragraph(_NOTE, "note") + table(head, body, kind="text")


def _source(knowledge: Mapping[str, Any]) -> str:
    licence = f", {knowledge['licence']}" if knowledge["licence"] else ""
    houses = len(knowledge["labelled_houses"])
    labels = f", of labels of {houses} houses of ours" if houses else ""
    return f"{knowledge['name']} ({knowledge['source']}{licence}): {knowledge['external_access']}{labels}"
