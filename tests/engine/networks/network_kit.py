"""What every network that turns RGB into a modality must fulfil: a test class inherits `NetworkKit`."""

import numpy as np
import pytest

from engine.networks.network import BOX_COLUMNS, Network, NetworkConfig


class NetworkKit:
    """Inherit it, and give `config`, a network that loads without a connection."""

    config: NetworkConfig
    size = 64
    """Height and width of the frames [pixels]."""

    @pytest.fixture(scope="class")
    @classmethod
    def network(cls) -> Network:
        return cls.config.load(cls.size)

    @pytest.fixture(scope="class")
    @classmethod
    def rgb(cls) -> np.ndarray:
        rng = np.random.default_rng(0)
        coarse = rng.integers(0, 256, (3, 8, 8, 3), np.uint8)
        side = cls.size // 8
        return coarse.repeat(side, 1).repeat(side, 2)

    def test_output_is_as_it_says(self, network: Network, rgb: np.ndarray):
        out = network(rgb)
        assert out.shape == (len(rgb), *network.output.shape)
        assert out.dtype == np.dtype(network.output.dtype)
        rank = {"features": 3, "labels": 2, "edges": 2, "depth": 2, "boxes": 2, "vector": 1, "text": 1}[
            network.output.kind
        ]
        assert len(network.output.shape) == rank
        if network.output.kind in ("labels", "edges", "depth"):
            assert network.output.shape == (self.size, self.size)
        if network.output.kind in ("labels", "text"):
            assert out.max() <= len(network.output.classes)
        if network.output.kind == "text":
            assert np.all(np.diff((out == 0).astype(int), axis=1) >= 0), "nothing is behind the last token"
        if network.output.kind == "boxes":
            assert network.output.shape[1] == len(BOX_COLUMNS)
            assert np.all(np.diff(out[..., 5], axis=1) <= 0)
            assert np.all((out[..., :4] >= 0) & (out[..., :4] <= 1))
            assert out[..., 4].max() <= len(network.output.classes)

    def test_a_frame_does_not_depend_on_its_batch(self, network: Network, rgb: np.ndarray):
        together = network(rgb).astype(np.float64)
        alone = np.concatenate([network(rgb[i : i + 1]) for i in range(len(rgb))]).astype(np.float64)
        np.testing.assert_allclose(together, alone, rtol=1e-2, atol=1e-2 * max(1.0, np.abs(alone).max()))

    def test_frames_differ_in_output(self, network: Network, rgb: np.ndarray):
        out = network(np.concatenate([rgb, np.zeros_like(rgb[:1])]))
        assert any(not np.array_equal(out[0], other) for other in out[1:])

    def test_loading_again_gives_the_same(self, network: Network, rgb: np.ndarray):
        again = self.config.load(self.size)
        assert again.origin == network.origin
        np.testing.assert_array_equal(again(rgb), network(rgb))

    def test_untrained_weights_are_of_no_outside(self, rgb: np.ndarray):
        networks = [
            self.config.model_copy(update={"weights": "untrained", "seed": seed}).load(self.size)
            for seed in (0, 1)
        ]
        for network in networks:
            assert network.origin.external_access == "none"
            assert "untrained" in network.origin.source
        assert networks[0].origin.digest != networks[1].origin.digest

    def test_the_digest_does_not_depend_on_the_device(self, network: Network):
        """A pass may run on a GPU, and be checked and resumed without one."""
        other = self.config.model_copy(update={"device": "cpu"}).load(self.size)
        assert other.origin == network.origin
