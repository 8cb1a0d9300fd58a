"""The model of a pre-training, made to fit the frames it will see."""

from pathlib import Path

from engine.stream.mixture import MixedFrames
from engine.stream.order import View
from training.pretrain.config import PretrainConfig
from training.pretrain.objective import Objective, Setting, SourceModalities
from training.pretrain.views import views_of


def build_objective(config: PretrainConfig, frames: View, tokenizers: dict[str, Path]) -> Objective:
    """The model that `config` asks for, initialised, for the frames' size and these tokenizers.

    Raises ValueError when sizes, modalities or tokenizers do not fit together.
    """
    height, width = frames.frame_shape("rgb")[:2]
    if height != width:
        raise ValueError(f"frames of {height}x{width} px: the encoder takes square ones; collect with --size")
    own, sources = config.own, None
    if own.tokenized:
        sources = _sources_of(frames, config.modalities)
    elif views_of(frames, "rgb") != views_of(frames):
        raise ValueError(f"a source does not show rgb, and {config.objective} sees nothing else: let it")
    return own.build(
        Setting(
            encoder=config.encoder,
            decoder_depth=config.decoder_depth,
            seed=config.seed,
            image=height,
            specs=own.token_specs(config.modalities, frames, tokenizers),
            sources=sources,
        )
    )


def _sources_of(frames: View, modalities: tuple[str, ...]) -> SourceModalities | None:
    """What each view of a mixture shows; None where all show all. Raises ValueError for what is no modality
    of the pre-training, and for a modality that no view shows."""
    if not isinstance(frames, MixedFrames) or not any(frames.shows):
        return None
    unknown = sorted({m for shown in frames.shows for m in shown or ()} - set(modalities))
    if unknown:
        raise ValueError(
            f"a source shows {unknown}, and pre-training has {list(modalities)}: let it show those"
        )
    sources = SourceModalities(tuple(shown or modalities for shown in frames.shows), frames.ratios)
    hidden = sorted(set(modalities).difference(*sources.shown))
    if hidden:
        raise ValueError(f"no source shows {hidden}: let one of them, or leave that out of modalities")
    return sources
