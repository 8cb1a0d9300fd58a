"""The encoder of a 4M checkpoint (arXiv:2312.06647, 2406.09406) as the start of a transfer: the shared
encoder itself, which sees patches of RGB."""

from pathlib import Path

from engine.networks.hub.loading import stated_licence
from training.fourm.load import load_4m
from training.models.encoder import Encoder, EncoderConfig, build_encoder
from training.transfer.starts.family import First, Weights, refuse

HUB_ID = "EPFL-VILAB/4M-21_B"
_LICENCE = "sample-code-license (as its page says)"


class FourM:
    """4M's encoders, of any variant."""

    def encoder(self, config: EncoderConfig, image: int) -> Encoder:
        """A plain encoder."""
        return Encoder(config, image)

    def first(self, name: str, weights: Weights, encoder: Encoder) -> First:
        """Of a safetensors file, a folder with model.safetensors, or what the hub's cache has under an id;
        untrained ones are drawn as those of 4M. Raises ValueError."""
        config = encoder.config
        if weights.weights == "untrained":
            image = encoder.grid * config.patch
            return First(build_encoder(config, image, weights.seed).state_dict(), "", "")
        place = HUB_ID if weights.weights == "trained" else weights.weights
        theirs = load_4m(_local(place)).encoder
        ours, shape = config.model_dump(), theirs.config.model_dump()
        shape["heads"], ours["heads"] = theirs.config.style.heads, config.style.heads
        if ours != shape:
            refuse(name, shape)
        licence = _LICENCE if place.startswith("EPFL-VILAB/") else stated_licence(Path(place))
        return First(theirs.state_dict(), place, licence)


def _local(place: str) -> Path:
    """A file or folder as it is; of a hub's id the folder in its cache. Raises ValueError."""
    if Path(place).exists():
        return Path(place)
    get = f"hf download {place} --local-dir FOLDER, then weights: FOLDER"
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(place, local_files_only=True))
    except Exception as error:  # the package is missing, no id, not in the cache
        raise ValueError(f"4M of {place} is not on this machine: {get} ({type(error).__name__})") from None
