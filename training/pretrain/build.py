"""The model of a pre-training, made to fit the frames it will see; and which frames those may be."""

from pathlib import Path

from engine.store.access import Frames, PretrainFrames, UnlabelledTransferFrames
from engine.store.errors import LeakError
from engine.stream.mixture import MixedFrames
from engine.stream.order import View
from training.models.modality import TokenSpec
from training.pretrain.config import PretrainConfig
from training.pretrain.dino.dino import Dino
from training.pretrain.masking import SourceModalities
from training.pretrain.objectives import MaskedAutoencoder, MultimodalObjective, Objective
from training.tokenizers.tokenize_store import check_tokens
from training.tokenizers.tokenizer import load_tokenizer, token_array


def build_objective(config: PretrainConfig, frames: View, tokenizers: dict[str, Path]) -> Objective:
    """The model that `config` asks for, initialised, for the frames' size and these tokenizers.

    Raises ValueError when sizes, modalities or tokenizers do not fit together.
    """
    height, width = frames.frame_shape("rgb")[:2]
    if height != width:
        raise ValueError(f"frames of {height}x{width} px: the encoder takes square ones; collect with --size")
    if config.crops.count and config.objective != "mm":
        raise ValueError(
            f"crops are of tokens, for objective mm; {config.objective} takes none: leave them out"
        )
    if config.objective != "mm" and views_of(frames, "rgb") != views_of(frames):
        raise ValueError(f"a source does not show rgb, and {config.objective} sees nothing else: let it")
    if config.objective == "mae":
        return MaskedAutoencoder(config.encoder, height, config.mae_masked, config.decoder_depth, config.seed)
    if config.objective == "dino":
        return Dino(config.encoder, height, config.dino, config.seed)
    missing = [m for m in config.modalities if m not in tokenizers]
    if missing:
        raise ValueError(
            f"no tokenizer for {missing}: train one (tst tokenizer train) and tokenize the store"
        )
    sources = sources_of(frames, config.modalities)
    specs = []
    for name in config.modalities:
        tokenizer, array = load_tokenizer(tokenizers[name]), token_array(tokenizers[name], config.crops)
        for view in views_of(frames, array):
            check_tokens(view, tokenizers[name], config.crops)
        grid = frames.frame_shape(array)[-1]
        specs.append(TokenSpec(name, array, grid, tokenizer.codes, pixels=name == "rgb"))
    return MultimodalObjective(
        config.encoder,
        height,
        tuple(specs),
        config.masking,
        config.decoder_depth,
        config.seed,
        config.tied,
        config.weighting,
        config.crops,
        sources,
    )


def views_of(frames: View, showing: str | None = None) -> tuple[Frames, ...]:
    """The views of a mixture, all or those that show a modality; or the only one."""
    if not isinstance(frames, MixedFrames):
        return (frames,)
    return frames.views if showing is None else frames.showing(showing)


def sources_of(frames: View, modalities: tuple[str, ...]) -> SourceModalities | None:
    """What each view of a mixture shows; None where all show all. Raises ValueError for what is no modality
    of the pre-training, and for one that none shows."""
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


def check_unlabelled(frames: View) -> None:
    """Raises LeakError where a view could show labels, or frames to judge by."""
    for view in views_of(frames):
        if not isinstance(view, PretrainFrames | UnlabelledTransferFrames):
            raise LeakError(
                f"pre-training takes PretrainFrames, and to mix in UnlabelledTransferFrames, not "
                f"{type(view).__name__} of {view.store_path}: what it shows must hold no label"
            )
