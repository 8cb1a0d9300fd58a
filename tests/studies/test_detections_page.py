"""Objects on the page of a study: what models found beside what is true, frame by frame."""

from pathlib import Path

import numpy as np

from studies.report.analysis.metrics_text import class_metric, digits, label
from studies.report.figures import detected
from studies.report.report import write_report
from tests.studies.planted_rows import bars


def evaluated(out: Path) -> list[dict]:
    """Rows with detections in two frames by each arm; the last arm's are of other frames."""
    rows = bars(repeats=2)
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    for number, row in enumerate(rows):
        folder = out / "stages" / f"evaluate-detection-{number}"
        folder.mkdir(parents=True)
        row["evaluations"]["test/detection"] = str(folder.relative_to(out))
        row["metrics"] |= {"test/detection/map": 0.123, "test/detection/ap/lamp": 0.5}
        row["metrics"]["test/detection/classes"] = ["lamp", "bed"]
        rng = np.random.default_rng(arms.index(row["arm"]) == len(arms) - 1)
        np.savez_compressed(
            folder / "detections.npz",
            rgb=rng.integers(0, 255, (2, 16, 16, 3), dtype=np.uint8),
            true_frame=np.array([0, 0]),
            true_box=np.array([[0, 0, 8, 8], [4, 4, 16, 16]], dtype=np.float32),
            true_class=np.array([0, 1]),
            found_frame=np.array([0, 1]),
            found_box=np.array([[0, 0, 8, 8], [2, 2, 6, 6]], dtype=np.float32),
            found_class=np.array([0, 1]),
            found_score=np.array([0.9, 0.4], dtype=np.float32),
            true_mask=np.ones((2, 16, 16), dtype=bool),
            found_mask=np.ones((2, 16, 16), dtype=bool),
        )
    return rows


def test_what_models_found_stands_beside_the_truth(tmp_path, monkeypatch):
    drawn = []
    draw = detected._drawn
    monkeypatch.setattr(detected, "_drawn", lambda found: drawn.append(found) or draw(found))
    rows = evaluated(tmp_path)
    page = write_report(tmp_path, rows).read_text()
    assert "Objects found beside the true ones" in page
    assert "Evaluated in test/detection, repeat 0" in page
    assert "</span>lamp" in page
    assert "mAP [%], test, detection" in page
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    assert [list(found) for found in drawn] == [arms[:-1]], "frames of the last arm are others"


def test_a_page_without_detections_has_no_such_section(tmp_path):
    assert "Objects found" not in write_report(tmp_path, bars(repeats=2)).read_text()


def test_scores_of_classes_are_in_a_table_of_their_own(tmp_path):
    rows = evaluated(tmp_path)
    for row in rows:
        row["report"] = row["report"] | {"metrics": ["test/detection/map", "test/miou"]}
    page = write_report(tmp_path, rows).read_text()
    assert "AP of each class [%]" in page
    assert "IoU of each class [%]" in page
    assert "<td>lamp</td>" in page


def test_names_of_scores():
    assert label("test/detection/map") == "mAP [%], test, detection"
    assert label("test/detection/mask_ap/bed") == "AP of masks of bed [%], test, detection"
    assert digits(0.1234, "test/detection/ap/bed") == "12.3"
    assert class_metric("iou/wall") == ("", "iou", "wall")
    assert class_metric("test/detection/map") is None
