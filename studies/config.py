"""What a study is: houses, frames, stages and the methods to compare, in one YAML file with several scales.

`base` holds the whole configuration; each entry of `presets` lays its few differences on it, so that one
file serves a smoke test, a laptop and a GPU.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from agents.noise import NoiseConfig
from agents.sampling import SamplerOptions
from agents.simulator import Quality
from engine.machine import available_cores
from studies.yaml_config import load_yaml, merge, parse
from training.evaluate import EvaluateConfig
from training.pretrain import PretrainConfig
from training.tokenizer import TokenizerConfig
from training.transfer import TransferConfig


class Config(BaseModel):
    """Frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Houses(Config):
    family: str
    """Distribution the houses are drawn from."""
    seed: int
    """Seed of the first house; the others follow by one."""
    count: int = Field(1, ge=1)
    """Number of houses."""


class Frames(Config):
    pretrain: int = Field(ge=1)
    """Unlabelled frames of the test house."""
    transfer: int = Field(ge=1)
    """Labelled frames of each transfer house."""
    eval: int = Field(ge=1)
    """Held-out frames of the test house, labels used only to score."""
    size: int = Field(64, ge=16)
    """Height and width [pixels]."""
    fov_deg: float = Field(90.0, gt=10, lt=150)
    """Field of view [degrees]."""
    sampler: str = "dense"
    """How poses are drawn."""
    sampling: SamplerOptions = SamplerOptions()
    """What the sampler may be told."""
    noise: NoiseConfig = NoiseConfig()
    """Noise of the sensors, of all frames alike."""
    simulator: str = "raycast"
    """What renders."""
    quality: Quality = "fast"
    """How raycast draws: fast, or fine for several times the time."""
    seed: int = 0
    """Seed of the poses."""
    actors: int | None = Field(None, ge=0)
    """Ray actors that collect, and stages that run side by side; by default one a core, 0: all in this
    process, one after another. Changes no byte of what is stored and no digit of a result."""

    @property
    def slots(self) -> int:
        """How many processes work at once; 0: this one."""
        return available_cores() if self.actors is None else self.actors


class Method(Config):
    objective: Literal["mm", "mae"] | None
    """Pre-training objective; null starts the transfer from random weights."""
    modalities: tuple[str, ...] = ("rgb",)
    """What the pre-training sees."""
    pretrain: dict[str, Any] = {}
    """Fields of the study's `pretrain` that this method sets otherwise."""


class StudyConfig(Config):
    """One study at one scale, fully resolved."""

    name: str
    """Short name, used for folders and titles."""
    question: str
    """What the study asks, in a sentence."""
    preset: str
    """The scale this was resolved for."""
    test_house: Houses
    """The test space. Its labels are never used for training."""
    transfer_houses: Houses
    """The houses whose labels the task head is tuned on."""
    frames: Frames
    """How much is collected."""
    tokenizer: TokenizerConfig
    """Tokenizers, one per modality, trained on the pre-training frames alone."""
    tokenizer_by_modality: dict[str, dict[str, Any]] = {}
    """Fields of `tokenizer` that a modality sets otherwise."""
    pretrain: PretrainConfig
    """Pre-training, equal for all methods but for what a method sets itself."""
    transfer: TransferConfig
    """Fine-tuning, equal for all methods."""
    evaluate: EvaluateConfig = EvaluateConfig()
    """Scoring."""
    methods: dict[str, Method]
    """What is compared."""
    seeds: tuple[int, ...] = (0,)
    """Seeds of initialisation, masks and batch order. Houses, poses and tokenizers are shared by all."""
    ray_train: bool = True
    """Pre-train in a Ray Train worker; false runs the same loop in this process, with the same result."""

    @model_validator(mode="after")
    def _houses_differ(self) -> "StudyConfig":
        test, transfer = self.test_house, self.transfer_houses
        if test.family == transfer.family and range(
            max(test.seed, transfer.seed),
            min(test.seed + test.count, transfer.seed + transfer.count),
        ):
            raise ValueError(
                "test_house and transfer_houses share a house: same family, overlapping seeds; "
                "move transfer_houses.seed"
            )
        return self

    def resolved(self) -> dict[str, Any]:
        """The configuration as JSON values, every default written out."""
        return self.model_dump(mode="json")


def load_study(path: Path, preset: str | None = None, seeds: tuple[int, ...] | None = None) -> StudyConfig:
    """The study in the YAML file at `path`, at the scale `preset` (default: the first in the file).

    Raises ValueError naming the file, the place and the keys or presets that exist.
    """
    data = load_yaml(path)
    unknown = set(data) - {"name", "question", "base", "presets"}
    if unknown:
        raise ValueError(
            f"{path}: unknown key {sorted(unknown)[0]!r}; keys there are: base, name, presets, question"
        )
    presets = data.get("presets") or {}
    if preset is None:
        preset = next(iter(presets), "base")
    if preset != "base" and preset not in presets:
        raise ValueError(f"{path}: no preset {preset!r}; presets there are: {', '.join(presets)}")
    merged = merge(data.get("base", {}), presets.get(preset) or {})
    merged |= {"name": data.get("name", path.stem), "question": data.get("question", ""), "preset": preset}
    if seeds:
        merged["seeds"] = list(seeds)
    return parse(StudyConfig, merged, f"{path} (preset {preset})")
