"""External access: what of the outside went into tokenizers, models and scores, carried from one to the next.

An array that a network made says in its store what the network knew (`ArrayOrigin`). Every stage puts
together what its frames and the folders that it starts from say, and writes that into its own config.json and
metrics (`as_facts`); nothing of it is ever typed in. A folder's external access is the largest of its
sources': none < pseudolabels < internet."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from engine.store.schema import ExternalAccess
from engine.stream.order import View
from scenes.config import Config
from training.common.checkpoint import CONFIG, METRICS, read_json

ORDER: tuple[ExternalAccess, ...] = get_args(ExternalAccess)
"""From the least to the largest."""
SENSED = ("rgb", "depth", "normals", "edges")
"""What bodies sense: arrays that no network had a part in."""
_FIELDS = ("external_access", "knowledge")


class Knowledge(Config):
    """One source of knowledge beside what was sensed."""

    name: str
    """The network, or whatever else it is."""
    source: str
    """Where it is from, in a line."""
    external_access: ExternalAccess
    """Its own."""
    licence: str = ""
    """Of the weights, as their publisher states it."""
    labelled_houses: tuple[str, ...] = ()
    """Digests of our houses whose labels it learned from."""


Sources = tuple[Knowledge, ...]
"""All sources of something, each once."""


def largest(accesses: Iterable[ExternalAccess]) -> ExternalAccess:
    """The largest of them; `none` of none."""
    return ORDER[max((ORDER.index(a) for a in accesses), default=0)]


def combined(*parts: Sources) -> Sources:
    """The sources of what is made of several parts."""
    return tuple(dict.fromkeys(source for part in parts for source in part))


def as_facts(sources: Sources) -> dict[str, Any]:
    """What config.json and metrics say of them, JSON values: `external_access` and, if any, `knowledge`."""
    access = largest(s.external_access for s in sources)
    return {"external_access": access, "knowledge": [s.model_dump(mode="json") for s in sources]}


def sources_in(facts: dict[str, Any], where: str) -> Sources:
    """Of facts that `as_facts` wrote; `where` names them. Raises ValueError where they are not as it writes
    them."""
    try:
        sources = tuple(Knowledge.model_validate(k) for k in facts["knowledge"])
        same = as_facts(sources)["external_access"] == facts["external_access"]
    except (KeyError, TypeError, ValidationError) as error:
        raise ValueError(
            f"{where}: external_access or knowledge is damaged ({error}): make it again"
        ) from None
    if not same:
        raise ValueError(
            f"{where} says external_access {facts['external_access']!r}, and its knowledge makes it "
            f"{as_facts(sources)['external_access']!r}: make it again"
        )
    return sources


def sources_of_frames(frames: View, arrays: Iterable[str]) -> Sources:
    """Of these arrays of a view, tokens or not, and of the spaces that it is of."""
    spaces = [
        Knowledge(name="frames", source=s.provenance, external_access=s.external_access)
        for s in frames.spaces
        if s.external_access != "none"
    ]
    origins = [origin for name in arrays if (origin := frames.origin_of(name)) is not None]
    networks = [
        Knowledge(
            name=o.network,
            source=o.source,
            external_access=o.external_access,
            licence=o.licence,
            labelled_houses=o.labelled_houses,
        )
        for o in origins
    ]
    return combined(tuple(spaces), tuple(networks))


def sources_of_folder(folder: Path) -> Sources:
    """Of a finished tokenizer, pre-training, transfer or labelling.

    A folder that says nothing has none where nothing but what is sensed can be in it; for any other, and for
    one that is not finished, raises ValueError."""
    facts = read_json(folder / CONFIG)
    if any(name in facts for name in _FIELDS):
        return sources_in(facts, str(folder / CONFIG))
    return _of_silent_folder(folder, facts)


def _of_silent_folder(folder: Path, facts: dict[str, Any]) -> Sources:
    """Of a folder from before this was written into it."""
    if "modality" in facts:
        only_sensed = facts["modality"] in SENSED and "fourm" not in facts
    elif "pretrain" in facts:
        config = facts["pretrain"]
        start = config.get("warm_start", config.get("start"))
        only_sensed = start is None and set(config.get("modalities", ())) <= set(SENSED)
    elif "transfer" in facts or "propagate" in facts:
        before = read_json(folder / METRICS).get("from", "scratch")
        only_sensed = set(facts.get("transfer", {}).get("inputs", ())) <= set(SENSED)
        if only_sensed and before != "scratch":
            return sources_of_folder(Path(before))
    else:
        only_sensed = False
    if not only_sensed:
        raise ValueError(
            f"{folder / CONFIG} does not say its external access, and something from outside may be in it: "
            "make it again"
        )
    return ()
