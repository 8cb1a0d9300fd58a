"""What every tokenizer of images promises. A test class inherits `TokenizerKit` and has one in a folder."""

from pathlib import Path

import numpy as np
import pytest
import torch

from engine.store.access import PretrainFrames
from tests.training.tiny_world import make_store
from training.tokenizers.image_tokenizer import ImageTokenizer
from training.tokenizers.registry import load_tokenizer, token_array
from training.tokenizers.tokenize_store import tokenize


class TokenizerKit:
    size = 32  # of the frames [pixels]

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """The folder of a tokenizer for frames of `size`."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path):
        return make_store(tmp_path / "store", self.size, pretrain=20, transfer=4, held_out=4)

    @pytest.fixture
    def model(self, folder: Path) -> ImageTokenizer:
        return load_tokenizer(folder)

    @pytest.fixture
    def images(self, store, model: ImageTokenizer) -> np.ndarray:
        return PretrainFrames(store).read(np.arange(12), [model.modality])[model.modality]

    def test_a_token_for_every_patch_and_each_a_code(self, model: ImageTokenizer, images):
        tokens = model.encode(images)
        grid = self.size // model.patch
        assert tokens.shape == (12, grid, grid)
        assert tokens.dtype == torch.int64
        assert tokens.min() >= 0
        assert tokens.max() < model.codes
        assert len(tokens.unique()) > 1

    def test_arrays_tensors_and_any_batch_give_the_same_tokens(self, model: ImageTokenizer, images):
        tokens = model.encode(images)
        assert torch.equal(tokens, model.encode(torch.from_numpy(images)))
        parts = torch.cat([model.encode(part) for part in np.array_split(images, 5)])
        assert (tokens == parts).float().mean() > 0.99  # sums of other batches may round otherwise

    def test_loaded_again_it_is_the_same(self, model: ImageTokenizer, images, folder: Path):
        assert torch.equal(model.encode(images), load_tokenizer(folder).encode(images))

    def test_decodes_to_images_as_stored_or_says_that_it_does_not(self, model: ImageTokenizer, images):
        tokens = model.encode(images)
        if not model.decodes:
            with pytest.raises(ValueError, match="cannot decode"):
                model.decode(tokens)
            return
        decoded = model.decode(tokens)
        assert decoded.shape == images.shape
        assert decoded.dtype == images.dtype

    def test_its_tokens_stand_in_the_store(self, model: ImageTokenizer, images, store, folder: Path):
        array = tokenize(store, model.modality, folder, threads=1)["array"]
        assert array == token_array(folder)
        stored = PretrainFrames(store).read(np.arange(12), [array])[array]
        assert stored.dtype == np.uint16
        np.testing.assert_array_equal(stored, model.encode(images).numpy())
        assert not store.verify()
