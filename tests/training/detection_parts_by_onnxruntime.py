"""Boxes and features drawn at random, and ONNX Runtime's RoIAlign and non-maximum suppression of them.

To write the golden file anew, with onnx and onnxruntime installed:

    python -m tests.training.detection_parts_by_onnxruntime
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

GOLDEN = Path(__file__).parents[1] / "golden" / "detection" / "parts.json"
STRIDE, SIZE, SAMPLES, THRESHOLDS = 8.0, 3, 2, (0.1, 0.3, 0.5)


def draw() -> dict[str, np.ndarray]:
    """Features [1, 2, 9, 11] float32 of a stride of 8 pixels, boxes [40, 4] float32 that overlap and
    leave the image, and their scores [40]."""
    rng = np.random.default_rng(12)
    corners = rng.uniform(-12, 60, (40, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(2, 40, (40, 2))], axis=1)
    features = rng.normal(size=(1, 2, 9, 11))
    arrays = {"features": features, "boxes": boxes, "scores": rng.permutation(40) / 40}
    return {name: values.astype(np.float32) for name, values in arrays.items()}


def _run(operator: str, inputs: dict[str, np.ndarray], output: int, **attributes: Any) -> np.ndarray:
    """The result of one operator; `output`: type of its elements."""
    import onnxruntime
    from onnx import helper

    node = helper.make_node(operator, list(inputs), ["out"], **attributes)
    given = [
        helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
        for k, v in inputs.items()
    ]
    graph = helper.make_graph([node], operator, given, [helper.make_tensor_value_info("out", output, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


def by_onnxruntime(drawn: dict[str, np.ndarray]) -> dict[str, Any]:
    """`features` of all boxes, and `kept`: places of the boxes that are kept at each threshold."""
    count = len(drawn["boxes"])
    pooled = _run(
        "RoiAlign",
        {
            "features": drawn["features"],
            "boxes": drawn["boxes"],
            "image": np.zeros(count, dtype=np.int64),
        },
        1,
        coordinate_transformation_mode="half_pixel",
        output_height=SIZE,
        output_width=SIZE,
        sampling_ratio=SAMPLES,
        spatial_scale=1 / STRIDE,
    )
    kept = {}
    for threshold in THRESHOLDS:
        inputs = {
            "boxes": drawn["boxes"][None],
            "scores": drawn["scores"][None, None],
            "most": np.array([count], dtype=np.int64),
            "threshold": np.array([threshold], dtype=np.float32),
        }
        kept[str(threshold)] = sorted(_run("NonMaxSuppression", inputs, 7)[:, 2].tolist())
    return {"features": np.round(pooled, 6).tolist(), "kept": kept}


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(by_onnxruntime(draw())) + "\n")
