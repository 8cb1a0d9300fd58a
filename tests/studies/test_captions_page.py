"""Captions on the page of a study: what models said beside what is true, frame by frame."""

import json
from pathlib import Path

import numpy as np

from studies.report.report import write_report
from tests.studies.planted_rows import bars


def evaluated(out: Path) -> list[dict]:
    """Rows with captions of three frames by each arm; of the last frame by one arm alone."""
    rows = bars(repeats=2)
    rng = np.random.default_rng(0)
    for number, row in enumerate(rows):
        folder = out / "stages" / f"evaluate-captions-{number}"
        folder.mkdir(parents=True)
        row["evaluations"]["test/captioning"] = str(folder.relative_to(out))
        row["metrics"]["test/captioning/cider"] = 1.234
        frames = [3, 5, 8] if row["arm"] == rows[0]["arm"] else [3, 5]
        said = [
            {
                "frame": frame,
                "space": "home",
                "prediction": f"{row['arm']} says <{frame}>",
                "references": [f"a bed & chair {frame}", "a room"],
                "cider": 2.5,
            }
            for frame in frames
        ]
        (folder / "captions.json").write_text(json.dumps(said))
        rgb = rng.integers(0, 255, (len(frames), 16, 16, 3), dtype=np.uint8)
        np.savez_compressed(folder / "captioned.npz", frame=np.array(frames), rgb=rgb)
    return rows


def test_captions_of_all_models_stand_beside_the_true_ones(tmp_path):
    rows = evaluated(tmp_path)
    page = write_report(tmp_path, rows).read_text()
    assert "Captions beside truth" in page
    assert "Evaluated in test/captioning, repeat 0" in page
    for arm in {row["arm"] for row in rows}:
        assert f"<b>{arm}</b>: {arm} says &lt;3&gt; (2.5)" in page
    assert "a bed &amp; chair 5<br>a room" in page
    assert "&lt;8&gt;" not in page
    assert "CIDEr [×100]" in page
    assert "123.4" in page


def test_a_page_without_captions_has_no_such_section(tmp_path):
    assert "Captions" not in write_report(tmp_path, bars(repeats=2)).read_text()
