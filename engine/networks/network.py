"""What turns the RGB of a frame into another modality: a network, its output, where its knowledge is from.

To add one, write a `NetworkConfig` and a `Network` in a file of this folder and add a line to
`engine.networks.registry.NETWORKS`; `tests/engine/networks/network_kit.py` holds by test what each must
fulfil.

A network never sees anything but RGB, so that it can run on any frame of any role. What it learned from
elsewhere is its *external access*, which goes into the store with its output and from there into every
tokenizer, model and row that was made from it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Shaped, UInt8
from pydantic import Field

from engine.store.schema import ExternalAccess, OutputKind
from scenes.config import Config

__all__ = ["BOX_COLUMNS", "Network", "NetworkConfig", "Origin", "Output", "OutputKind"]

BOX_COLUMNS = ("x0", "y0", "x1", "y1", "class", "score")
"""Columns of a box, float32: its sides as shares of the image's width and height, class from 1, score 0 to 1.
Boxes come by falling score; rows without a box are 0."""


@dataclass(frozen=True)
class Output:
    """What a network yields for one frame."""

    kind: OutputKind
    shape: tuple[int, ...]
    dtype: str
    """numpy's name of it."""
    classes: tuple[str, ...] = ()
    """Names of the classes of `labels` and `boxes`, and of the tokens of `text`: class i + 1 is the i-th."""


@dataclass(frozen=True)
class Origin:
    """Where a network's knowledge is from."""

    external_access: ExternalAccess
    """`none` of random weights and of those that learned from our own houses alone; else `pseudolabels`."""
    source: str
    """The weights, in a line: hub id, package and version, folder, or `untrained, seed 0`."""
    licence: str
    """Licence of the weights, as their publisher states it; empty of untrained ones."""
    digest: str
    """sha256 of the weights and of every setting that the output depends on, hex."""
    labelled_houses: tuple[str, ...] = ()
    """Digests of the houses of ours whose labels it learned from. It is never run on frames of these."""


class Network(ABC):
    """A network that is ready to run."""

    output: Output
    origin: Origin

    @abstractmethod
    def __call__(self, rgb: UInt8[np.ndarray, "b height width 3"]) -> Shaped[np.ndarray, "b ..."]:
        """The output of b frames (sRGB), [b, *output.shape] of `output.dtype`. A pure function: a frame's
        output depends neither on the batch that it is in nor on calls before."""


class NetworkConfig(Config, ABC):
    """A network by its weights and settings."""

    needs: ClassVar[tuple[str, ...]] = ()
    """Modules beside the project's own that it takes."""
    install: ClassVar[str] = ""
    """The line that installs them."""

    weights: str = "trained"
    """`trained`: the weights that the network is known for; `untrained`: random ones of the same shape;
    else a folder or file of weights, or, of a network from a hub, the id of other ones."""
    seed: int = Field(default=0, ge=0)
    """Of random weights."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where it runs; auto: on a GPU if there is one. The output may differ in the last bits."""

    @abstractmethod
    def load(self, size: int) -> Network:
        """The network for frames of `size` × `size` pixels.

        Raises ValueError, saying what helps, where a package or the weights are missing, or where it cannot
        be given such frames."""
