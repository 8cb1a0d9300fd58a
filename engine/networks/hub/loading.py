"""Models of transformers: random ones of a shape, and trained ones from a folder or the hub's cache.

Nothing is downloaded: a model that is not on this machine is an error that says how to get it."""

import re
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from pydantic import model_validator
from torch import nn

from engine.networks.network import NetworkConfig
from engine.networks.torch_network import need, seeded, untrained_source

INSTALL = "pip install 'testspace[networks]'"


@dataclass(frozen=True)
class Model:
    """A model of transformers and where it is from."""

    module: Any
    """The nn.Module, with its `config`."""
    source: str
    licence: str


class HubConfig(NetworkConfig):
    """A network of transformers. `weights` may be the id of another model of the same class."""

    needs: ClassVar[tuple[str, ...]] = ("transformers",)
    install: ClassVar[str] = INSTALL
    model_class: ClassVar[str]
    """Its class in transformers."""
    options: ClassVar[Mapping[str, Any]] = {}
    """What the class is built with beside its configuration."""
    hub_id: ClassVar[str]
    """The model that `trained` is."""
    licences: ClassVar[Mapping[str, str]]
    """By hub id, as each one's publisher states it."""

    shape: Literal["published", "tiny"] = "published"
    """Of untrained weights: as the published ones, or a small one for trials."""

    @model_validator(mode="after")
    def _tiny_is_untrained(self) -> "HubConfig":
        if self.shape == "tiny" and self.weights != "untrained":
            raise ValueError(f"shape: tiny is of `weights: untrained`; {self.weights!r} has the shape it has")
        return self

    @abstractmethod
    def random_config(self, transformers: Any) -> Any:
        """transformers' configuration of untrained weights of `shape`."""

    def build(self) -> Model:
        """The model. Raises ValueError where transformers or weights are missing, or these are another's."""
        transformers = need(self, "transformers")
        model_class = getattr(transformers, self.model_class)
        if self.weights == "untrained":
            with seeded(self.seed):
                module = model_class(self.random_config(transformers), **self.options)
            return Model(module, untrained_source(self), "")
        place = self.hub_id if self.weights == "trained" else self.weights
        module = _load(transformers, model_class, place, self.options)
        return Model(module, place, self.licences.get(place) or stated_licence(Path(place)))


def _load(transformers: Any, model_class: Any, place: str, options: Mapping[str, Any]) -> nn.Module:
    """The trained model of a folder or, by its id, of the hub's cache."""
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    kind = model_class.__name__
    try:
        module, report = model_class.from_pretrained(
            place, local_files_only=True, output_loading_info=True, dtype=torch.float32, **options
        )
    except OSError as error:
        get = (
            f"{place} holds no model"
            if Path(place).exists()
            else f"it is not on this machine: hf download {place} --local-dir FOLDER, then weights: FOLDER"
        )
        raise ValueError(f"{kind} of {place}: {get} ({_first_line(error)})") from None
    except Exception as error:  # what a damaged or foreign file raises is of many types
        raise ValueError(f"{kind} cannot be read from {place}: {_first_line(error)}") from error
    lacking = sorted(report["missing_keys"]) + sorted(map(str, report["mismatched_keys"]))
    if lacking:
        raise ValueError(
            f"{place} is no {kind}: it lacks {len(lacking)} of its weights, among them {lacking[0]}"
        )
    return module


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def stated_licence(folder: Path) -> str:
    """The licence in the head of a model's page, where a folder has it."""
    page = folder / "README.md"
    text = page.read_text(encoding="utf-8", errors="replace") if page.is_file() else ""
    found = re.match(r"---\n.*?^license(?:_name)?: *(\S+)", text, re.DOTALL | re.MULTILINE)
    return found[1] if found else "not stated"


def whole_patches(image: int, patch: int) -> int:
    """Patches along a side. Raises ValueError where they do not fill it."""
    if image % patch:
        raise ValueError(f"image: {image} is no multiple of the model's patch, {patch} pixels")
    return image // patch


def class_names(config: Any) -> tuple[str, ...]:
    """Names of a model's classes, in their order."""
    return tuple(config.id2label[i] for i in range(len(config.id2label)))
