"""The manifest of a part that is about to be written: every rule of the store that it must satisfy.

It is checked before anything is written. The list of files is filled in when they are written.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Shaped

from engine.store.errors import SpaceConflictError
from engine.store.manifest import Manifest
from engine.store.schema import ArrayOrigin, FrameRange, ModalitySpec, Space, StoreFacts
from engine.store.writing.validate import check_arrays, check_name, check_runs


def frames_part(
    facts: StoreFacts,
    known: Sequence[Space],
    name: str,
    arrays: Mapping[str, Shaped[np.ndarray, "_ ..."]],
    runs: Sequence[FrameRange],
    spaces: Sequence[Space],
    config_hash: str,
    seeds: Sequence[Mapping[str, Any]],
) -> Manifest:
    """Of a part of frames; `arrays` [frames, ...] by modality, `known` the spaces that the store holds.

    Raises ValueError, for labels in role `pretrain` too, and SpaceConflictError.
    """
    check_name(name)
    specs = [_spec(facts, modality) for modality in arrays]
    frames = check_arrays(arrays, specs)
    if frames > facts.frames_per_part:
        raise ValueError(
            f"part {name!r} has {frames} frames; this store's parts hold {facts.frames_per_part}"
        )
    role = check_runs(name, runs, spaces, frames)
    labels = [s.name for s in specs if s.kind == "label"]
    if role == "pretrain" and labels:
        raise ValueError(f"part {name!r} is for pre-training and must hold no labels: leave out {labels}")
    for space in spaces:
        _check_space(space, known)
    return Manifest(
        part=name,
        role=role,
        frames=frames,
        config_hash=config_hash,
        seeds=[dict(s) for s in seeds],
        modalities=tuple(specs),
        spaces=tuple(spaces),
        runs=tuple(runs),
        files={},
    )


def derived_part(
    parent: Manifest,
    others: Sequence[Manifest],
    known: Mapping[str, ModalitySpec],
    name: str,
    arrays: Mapping[str, Shaped[np.ndarray, "_ ..."]],
    specs: Sequence[ModalitySpec],
    config_hash: str,
) -> Manifest:
    """Of arrays [frames of the parent, ...] computed from a part.

    `others` are the parent and what else was derived from it, `known` the store's modalities by name. Raises
    ValueError.
    """
    check_name(name)
    frames = check_arrays(arrays, specs)
    if frames != parent.frames:
        raise ValueError(
            f"{name!r} has {frames} frames and part {parent.part!r} has {parent.frames}: derive all of it"
        )
    if parent.role == "pretrain" and any(s.kind == "label" for s in specs):
        raise ValueError(f"part {parent.part!r} is for pre-training: no label may stand beside it")
    for spec in specs:
        check_same_meaning(known.get(spec.name), spec)
    held = {m.name for other in others for m in other.modalities} & set(arrays)
    if held:
        raise ValueError(f"part {parent.part!r} has {sorted(held)} already: choose other names")
    whole = f"{parent.part}.{name}"
    return Manifest(
        part=whole,
        of=parent.part,
        of_crc32c=parent.seal,
        role=parent.role,
        frames=frames,
        config_hash=config_hash,
        seeds=[],
        modalities=tuple(specs),
        runs=tuple(FrameRange(r.space, r.role, whole, r.start, r.count) for r in parent.runs),
        files={},
    )


def check_same_meaning(known: ModalitySpec | None, spec: ModalitySpec) -> None:
    """Raises ValueError where a store knows an array by the name of `spec` that is of another kind, or that
    another network made."""
    if known is None or (known.kind, known.origin) == (spec.kind, spec.origin):
        return
    if known.kind == spec.kind and known.origin and spec.origin:
        raise ValueError(
            f"{spec.name!r} in this store is by {_words(known.origin)}, and would be by "
            f"{_words(spec.origin)}: choose another name, or remove what is there"
        )
    raise ValueError(
        f"{spec.name!r} means something else in this store (kind {known.kind}, not {spec.kind}): "
        "choose another name"
    )


def _words(origin: ArrayOrigin) -> str:
    return f"{origin.network} ({origin.source}, digest {origin.digest[:12]})"


def _spec(facts: StoreFacts, modality: str) -> ModalitySpec:
    for spec in facts.modalities:
        if spec.name == modality:
            return spec
    names = [m.name for m in facts.modalities]
    raise ValueError(f"this store knows no modality {modality!r}, only {', '.join(names)}")


def _check_space(space: Space, known: Sequence[Space]) -> None:
    for other in known:
        if other.id == space.id and other.house_digest != space.house_digest:
            raise SpaceConflictError(
                f"space {space.id!r} is house {other.house_digest[:12]} in this store already, and now house "
                f"{space.house_digest[:12]}: give one of them another id or store"
            )
