"""The model of a pre-training, made to fit the frames it will see."""

from pathlib import Path

from engine.stream.order import View
from training.pretrain.config import PretrainConfig
from training.pretrain.objective import Objective, Setting
from training.pretrain.views import views_of


def build_objective(config: PretrainConfig, frames: View, tokenizers: dict[str, Path]) -> Objective:
    """The model that `config` asks for, initialised, for the frames' size and these tokenizers.

    Raises ValueError when sizes, modalities or tokenizers do not fit together.
    """
    height, width = frames.frame_shape("rgb")[:2]
    if height != width:
        raise ValueError(f"frames of {height}x{width} px: the encoder takes square ones; collect with --size")
    own = config.own
    if not own.tokenized and views_of(frames, "rgb") != views_of(frames):
        raise ValueError(f"a source does not show rgb, and {config.objective} sees nothing else: let it")
    return own.build(
        Setting(
            encoder=config.encoder,
            decoder_depth=config.decoder_depth,
            seed=config.seed,
            image=height,
            modalities=config.modalities,
            frames=frames,
            tokenizers=tokenizers,
        )
    )
