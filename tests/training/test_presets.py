"""Every preset is a command's config, and its lengths are those that its comments promise."""

from pathlib import Path

import pytest

from studies.spec.yaml import load_yaml, parse
from training.models.encoder import SIZES
from training.pretrain.config import PretrainConfig
from training.pretrain.launch import PretrainCommand
from training.pretrain.multimodal.masking import FOURM21

FOLDER = Path(__file__).parents[2] / "training" / "presets"


def load(name: str) -> PretrainCommand:
    path = FOLDER / f"{name}.yaml"
    return parse(PretrainCommand, load_yaml(path), str(path))


@pytest.mark.parametrize("name", sorted(p.stem for p in FOLDER.glob("*.yaml")))
def test_presets_load(name: str):
    command = load(name)
    command.pretrain.split.check(command.workers)
    assert command.pretrain.steps > 0


@pytest.mark.parametrize(
    ("name", "size", "tokens"), [("paper-small", "S", 100e9), ("paper-base", "B", 500e9)]
)
def test_the_papers_are_4ms_sizes_and_as_long(name: str, size: str, tokens: float):
    config = load(name).pretrain
    assert (config.encoder, config.decoder_depth) == SIZES[size]
    each = config.mm.masking.inputs + config.mm.masking.targets
    assert config.steps * config.batch * each == pytest.approx(tokens, rel=1e-4)
    assert config.warmup * tokens == pytest.approx(10e9)


def test_a_length_in_tokens_is_for_masked_tokens():
    assert PretrainConfig(tokens=112 * 64 * 10).steps == 10
    with pytest.raises(ValueError, match="no length for objective mae"):
        PretrainConfig(objective="mae", tokens=1e6).steps  # noqa: B018


def test_a_mixture_may_be_said_by_name():
    config = PretrainConfig.model_validate({"mm": {"masking": {"mixture": "fourm21"}}})
    assert config.mm.masking.mixture == FOURM21
    assert PretrainConfig.model_validate(config.model_dump(mode="json")) == config
    with pytest.raises(ValueError, match="no mixture is called 'fourm'; choose from balanced"):
        PretrainConfig.model_validate({"mm": {"masking": {"mixture": "fourm"}}})
