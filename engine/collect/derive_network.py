"""A modality that a network makes of rgb: what is checked before a pass begins, and how a batch is made."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Shaped, UInt8

from engine.collect.part_deriver import Deriver, FrameError
from engine.networks.network import Network, NetworkConfig
from engine.store.errors import LeakError
from engine.store.schema import ArrayOrigin, ModalitySpec, OutputKind, Role
from engine.store.store import Store
from engine.store.writing.new_part import check_same_meaning

_UNITS: dict[OutputKind, str] = {
    "features": "feature",
    "labels": "class",
    "edges": "1",
    "depth": "mm",
    "boxes": "x0, y0, x1, y1 [share], class, score",
    "vector": "feature",
    "text": "token",
}


@dataclass(frozen=True)
class NetworkRecipe:
    """What all parts of a pass have in common."""

    store: str
    spec: ModalitySpec
    network: NetworkConfig
    batch: int
    """Frames that the network is given at a time."""

    def maker(self) -> Deriver:
        """What derives, in the process that is to do it. Raises ValueError where the network is another one
        there."""
        store = Store.open(self.store)
        network = self.network.load(_side(store))
        digest = self.spec.origin.digest if self.spec.origin else ""
        if network.origin.digest != digest:
            raise ValueError(
                f"the network behind {self.spec.name!r} is not the one that the pass was started with "
                f"({network.origin.source}, digest {network.origin.digest[:12]}, not {digest[:12]}): give "
                "all machines the same weights"
            )
        return Deriver(store, self.spec, ("rgb",), Batches(network, self.batch))


@dataclass(frozen=True)
class Batches:
    """A network that takes any number of frames, a batch at a time."""

    network: Network
    batch: int

    def __call__(self, rgb: UInt8[np.ndarray, "frames height width 3"]) -> Shaped[np.ndarray, "frames ..."]:
        """Its output, [frames, ...]. Raises FrameError, naming a frame that fails alone, or ValueError where
        none does."""
        starts = range(0, len(rgb), self.batch)
        return np.concatenate([self._of_batch(rgb, i, min(i + self.batch, len(rgb))) for i in starts])

    def _of_batch(
        self, rgb: UInt8[np.ndarray, "frames height width 3"], first: int, end: int
    ) -> Shaped[np.ndarray, "b ..."]:
        """Of the frames from `first` to `end`."""
        try:
            return self._checked(rgb[first:end])
        except Exception as error:  # whatever somebody else's network raises
            frame, why = self._failing(rgb, first, end, error)
            raise FrameError(frame, f"{type(why).__name__}: {why}") from why

    def _failing(
        self, rgb: UInt8[np.ndarray, "frames height width 3"], first: int, end: int, error: Exception
    ) -> tuple[int, Exception]:
        """A frame among those that fail together, found by halving, and its error."""
        while end - first > 1:
            middle = (first + end) // 2
            for start, stop in ((first, middle), (middle, end)):
                try:
                    self._checked(rgb[start:stop])
                except Exception as narrower:
                    first, end, error = start, stop, narrower
                    break
            else:
                raise ValueError(
                    f"{end - first} frames fail together ({type(error).__name__}: {error}), and neither half "
                    "of them: give a smaller batch"
                ) from error
        return first, error

    def _checked(self, rgb: UInt8[np.ndarray, "b height width 3"]) -> Shaped[np.ndarray, "b ..."]:
        """The network's output. Raises ValueError where it is not what the network promised."""
        out, promised = self.network(rgb), self.network.output
        if out.shape != (len(rgb), *promised.shape) or out.dtype != np.dtype(promised.dtype):
            raise ValueError(
                f"the network gave {out.dtype} {list(out.shape[1:])} a frame where it had promised "
                f"{promised.dtype} {list(promised.shape)}"
            )
        if out.dtype.kind == "f" and not np.isfinite(out).all():
            raise ValueError("the network gave a number that is not finite")
        if promised.kind in ("labels", "text") and out.max() > len(promised.classes):
            raise ValueError(f"the network gave class {out.max()} of {len(promised.classes)}")
        return out


def network_recipe(
    store: Store, name: str, modality: str, config: NetworkConfig, batch: int, roles: Sequence[Role]
) -> NetworkRecipe:
    """A pass of the network `name` over the frames of these roles. Loads the network once, on the CPU, so
    that what it lacks is known before anything starts.

    Raises ValueError, for other weights than those that made the modality before too; LeakError for a network
    that learned from labels of houses that it would be judged in or run on.
    """
    network = config.model_copy(update={"device": "cpu"}).load(_side(store))
    spec = spec_of(name, modality, network)
    known = next((m for m in store.modalities if m.name == modality), None)
    if known and known.origin and spec.origin and known.origin.digest == spec.origin.digest:
        # The same weights from another place: all parts say the same of them.
        spec = replace(spec, origin=replace(spec.origin, source=known.origin.source))
    check_same_meaning(known, spec)
    _check_not_labelled(store, spec, roles)
    return NetworkRecipe(store.place, spec, config, batch)


def modality_of(name: str, config: NetworkConfig) -> str:
    """What a network's array is called where no name is given."""
    return f"{name}_untrained" if config.weights == "untrained" else name


def spec_of(name: str, modality: str, network: Network) -> ModalitySpec:
    """The array that a network makes, as the store describes it."""
    output, origin = network.output, network.origin
    made_by = ArrayOrigin(
        network=name,
        output=output.kind,
        external_access=origin.external_access,
        source=origin.source,
        licence=origin.licence,
        digest=origin.digest,
        labelled_houses=origin.labelled_houses,
        classes=output.classes,
    )
    return ModalitySpec(modality, output.dtype, output.shape, _UNITS[output.kind], "pseudolabel", made_by)


def _side(store: Store) -> int:
    """Height and width of the store's frames [pixels]. Raises ValueError where they differ."""
    height, width = next(m.shape[:2] for m in store.facts.modalities if m.name == "rgb")
    if height != width:
        raise ValueError(
            f"{store.place} holds frames of {height}x{width} pixels, and networks take square ones: collect "
            "with one --size"
        )
    return height


def _check_not_labelled(store: Store, spec: ModalitySpec, roles: Sequence[Role]) -> None:
    """Raises LeakError where a network learned from labels of a house of pre-training or evaluation, or of
    one that it is to be run on."""
    labelled = frozenset(spec.origin.labelled_houses if spec.origin else ())
    refused = {"pretrain", "eval", *roles}
    for part in store.parts:
        for space in part.spaces:
            if part.role in refused and space.digests & labelled:
                remedy = "train it on labels of other houses" + (
                    ", or give the other --roles" if part.role == "transfer" else ""
                )
                raise LeakError(
                    f"{spec.name!r} would be by a network that learned from labels of space {space.id!r}, of "
                    f"which {store.place} has frames of role {part.role}: {remedy}"
                )
