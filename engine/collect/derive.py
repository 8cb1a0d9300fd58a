"""Modalities computed from those that a store holds, on the same actors as collection.

    tst derive STORE --names normals_from_depth edges_from_rgb
    tst derive STORE --network NAME --weights untrained --seed 1

Each part gets what it lacks as a group of its own (`PART.NAME`) with its own manifest; existing files are not
rewritten, and an interrupted pass resumes. To add a derivation, add a row to `DERIVATIONS`; to add a network,
a line to `engine.networks.registry.NETWORKS`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tyro
from jaxtyping import Shaped
from pydantic import Field, ValidationError

from agents.edges import canny_edges
from agents.normals import normals_from_depth
from engine.collect.derive_network import NetworkRecipe, modality_of, network_recipe
from engine.collect.ledger import Ledger
from engine.collect.part_deriver import Deriver
from engine.collect.plan import HouseRef, PartTask, Segment
from engine.collect.run_tasks import run_tasks
from engine.networks.network import NetworkConfig
from engine.networks.registry import find_network
from engine.store.schema import ROLES, ModalitySpec, Role
from engine.store.store import Store
from engine.store.writing.staging import clean_staging
from scenes.config import Config


@dataclass(frozen=True)
class Derivation:
    """How a modality comes of others: `compute(*inputs)`, frames along the first axis."""

    inputs: tuple[str, ...]
    like: str  # the modality of the store that it looks like: dtype, shape, unit, kind
    compute: Callable[..., Shaped[np.ndarray, "frames ..."]]


DERIVATIONS: Mapping[str, Derivation] = {
    "normals_from_depth": Derivation(("depth", "intrinsics"), "normals", normals_from_depth),
    "edges_from_rgb": Derivation(("rgb",), "edges", canny_edges),
}


class DeriveConfig(Config):
    """What to derive, of which store: some of `names`, or the output of a network."""

    store: tyro.conf.Positional[Path]
    """The store; what is derived stands beside its parts."""
    names: tuple[str, ...] = ()
    """What to derive without a network: normals_from_depth, edges_from_rgb."""
    network: str | None = None
    """The network that makes the modality of rgb (docs/store.md)."""
    weights: str = "trained"
    """Of the network: trained, untrained, a folder or file of weights, or the id of others on a hub."""
    seed: int = Field(default=0, ge=0)
    """Of untrained weights."""
    options: dict[str, int | float | str] = {}
    """Other fields of the network, by name: --options KEY VALUE ..."""
    modality: str = ""
    """What the array is called; empty: as the network, with _untrained behind it where it is that."""
    roles: tuple[Role, ...] = ROLES
    """Frames of which roles are derived."""
    batch: int = Field(default=16, ge=1)
    """Frames that the network is given at a time."""
    actors: int = Field(default=2, ge=0)
    """Ray actors, of one thread each; 0 works in this process."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the network runs; auto: CUDA where Ray has a GPU to give."""
    gpus_per_actor: float = Field(default=0.25, gt=0)
    """Share of a GPU that an actor claims; no matter on cpu, and without a network."""


@dataclass(frozen=True)
class DeriveRecipe:
    """What all parts of a pass have in common."""

    store: str
    name: str

    def maker(self) -> Deriver:
        """What derives, in the process that is to do it."""
        store, way = Store.open(self.store), DERIVATIONS[self.name]
        return Deriver(store, spec_of(store, self.name), way.inputs, way.compute)


def spec_of(store: Store, name: str) -> ModalitySpec:
    """The modality that is derived. Raises ValueError where the store has none that it looks like."""
    if name not in DERIVATIONS:
        raise ValueError(f"{name!r} cannot be derived; choose from {', '.join(DERIVATIONS)}")
    like = next((m for m in store.facts.modalities if m.name == DERIVATIONS[name].like), None)
    if like is None:
        raise ValueError(f"{store.path} knows no {DERIVATIONS[name].like!r}, which {name!r} would look like")
    return ModalitySpec(name, like.dtype, like.shape, like.unit, like.kind)


def derive(config: DeriveConfig) -> None:
    """Derives what parts lack. Raises ValueError, CollectError naming the parts that failed three times."""
    if bool(config.names) == bool(config.network):
        raise ValueError("give what to derive: --names, or one --network")
    store = Store.open(config.store)
    clean_staging(store.path / "parts")
    if config.network is None:
        for name in config.names:
            spec_of(store, name)
        for name in config.names:
            _pass(store, config, name, DERIVATIONS[name].inputs, DeriveRecipe(store.place, name), {})
        return
    network = network_config(config.network, config.weights, config.seed, config.options, config.device)
    name = config.modality or modality_of(config.network, network)
    recipe = network_recipe(store, config.network, name, network, config.batch, config.roles)
    claims = {} if config.device == "cpu" else {"num_gpus": config.gpus_per_actor}
    _pass(store, config, name, ("rgb",), recipe, claims)


def network_config(
    name: str, weights: str, seed: int, options: Mapping[str, int | float | str], device: str
) -> NetworkConfig:
    """The network `name` by its fields; `options`: those that not every network has. Raises ValueError,
    naming the field that it does not take."""
    kind = find_network(name)
    # Actors may have another working directory.
    weights = str(Path(weights).absolute()) if Path(weights).exists() else weights
    given = {"weights": weights, "seed": seed, "device": device}
    try:
        return kind.model_validate({**options, **given})
    except ValidationError as error:
        first = error.errors()[0]
        own = ", ".join(sorted(set(kind.model_fields) - set(given))) or "no options of its own"
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"network {name!r}, option {where}: {first['msg']}; it takes {own}") from None


def _pass(
    store: Store,
    config: DeriveConfig,
    name: str,
    inputs: tuple[str, ...],
    recipe: DeriveRecipe | NetworkRecipe,
    claims: dict[str, Any],
) -> None:
    """Derives one modality where parts lack it, and prints what that took."""
    able = [p for p in store.parts if p.role in config.roles and all(p.modality(m) for m in inputs)]
    lacking = [p for p in able if not any(d.modality(name) for d in store.derived(p.part))]
    tasks = [PartTask(p.part, (Segment(HouseRef(p.part, p.seal, p.part), 0, p.frames),)) for p in lacking]
    total, missing = sum(p.frames for p in able), sum(p.frames for p in lacking)
    cost = ""
    if tasks:
        ledger = Ledger(name, "", total - missing, total, verb="derive", noun="parts")
        run_tasks(tasks, recipe, ledger, config.actors, claims, need_gpu=config.device == "cuda")
        store.refresh()
        made, seconds = sum(r.frames for r in ledger.made), sum(r.seconds for r in ledger.made)
        size = sum(r.bytes for r in ledger.made) / made / 1e3
        cost = f"; {made / seconds:.1f} frames/s an actor, {size:.1f} kB a frame"
    print(f"{store.place}: {name} of {missing} frames, {total - missing} were there{cost}")
