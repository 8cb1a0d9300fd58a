"""What a family of models is that a transfer can start from: its encoder, and the first weights of that."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Protocol

from jaxtyping import Shaped
from torch import Tensor

from training.models.encoder import Encoder, EncoderConfig
from training.models.outside_encoder import Kind


class Weights(NamedTuple):
    """Which ones, as the fields of `StartConfig`."""

    weights: str
    seed: int
    shape: Literal["published", "tiny"]


class First(NamedTuple):
    """The first weights of an encoder and where they are from."""

    state: Mapping[str, Shaped[Tensor, "..."]]
    """Of the encoder that they are for."""
    source: str
    licence: str


class Family(Protocol):
    """Models of one kind."""

    def encoder(self, config: EncoderConfig, image: int) -> Encoder:
        """The encoder for images of `image` pixels a side, without its weights. Raises ValueError for a
        configuration that none of the family has."""
        ...

    def first(self, name: str, weights: Weights, encoder: Encoder) -> First:
        """The weights for `encoder`; `name`: of the family. Raises ValueError where they are missing, saying
        what helps, and for an encoder of another shape, saying which it is."""
        ...


def check_shape(name: str, ours: EncoderConfig, shape: Mapping[str, Any], kind: Kind) -> None:
    """Raises ValueError, with the fields to write, where the encoder is not of `shape`: dim, depth, heads and
    patch."""
    mine = {key: getattr(ours, key) for key in shape} | {"heads": ours.style.heads}
    if mine != shape:
        refuse(name, dict(shape) | {"mlp": "gelu", "bias": True, "registers": kind.registers})


def refuse(name: str, fields: Mapping[str, Any]) -> None:
    """Raises ValueError that says what the encoder must be."""
    values = {key: str(value).lower() for key, value in fields.items()}
    shape = ", ".join(f"{k}: {values[k]}" for k in ("dim", "depth", "heads", "patch"))
    wanted = ", ".join(f"{key}: {value}" for key, value in values.items())
    raise ValueError(f"the encoder of start {name} has {shape}; say transfer.encoder: {{{wanted}}}")
