"""The table of a page that says which metric tells arms apart best, and at what cost."""

from pathlib import Path
from typing import Any

import pytest

from studies.report.analysis.claims import claims
from studies.report.analysis.rows import Table
from studies.report.report import write_report
from studies.report.telling_apart import resolutions
from tests.studies.planted_rows import row

ARMS = ["scratch", "tst-mm"]
REPORT = {"metrics": ["test/miou", "test/detection/map", "test/detection/ap50"]}


def planted() -> list[dict[str, Any]]:
    """Gains of mIoU .02, .03, .04, of mAP .02, .04, .06, of AP50 none; scratch has no pre-training."""
    rows = []
    for arm in ARMS:
        for repeat in range(3):
            gain = (arm == "tst-mm") * 0.01
            scores = {
                "test/miou": 0.1 + gain * (2 + repeat),
                "test/detection/map": 0.2 + gain * (2 + 2 * repeat),
                "test/detection/ap50": 0.3,
            }
            name = f"{arm} {repeat}"
            seconds = {f"head {name}": 100.0, f"boxes {name}": 400.0, f"pre {name}": 1600.0, "store": 50.0}
            pretraining = [f"pre {name}"] if arm == "tst-mm" else []
            own = row(arm, repeat, scores, arms=ARMS, report=REPORT)
            own["evaluations"] = {"test": "stages/a", "test/detection": "stages/b"}
            own["cost"]["seconds"] = seconds
            own["cost"]["evaluations"] = {
                "test": {"tuning": [f"head {name}"], "pretraining": pretraining},
                "test/detection": {"tuning": [f"boxes {name}"], "pretraining": pretraining},
            }
            rows.append(own)
    return rows


def test_effects_and_costs_are_those_that_were_planted():
    data = Table(planted())
    found = resolutions(data, claims(data))
    assert [of.claim.metric for of in found] == REPORT["metrics"]
    # Three gains of which the mean is 3 and 2 standard deviations.
    assert [of.effect for of in found] == pytest.approx([3.0, 2.0, 0.0])
    assert [of.tuning for of in found] == pytest.approx([200.0, 800.0, 800.0])
    assert [of.pretraining for of in found] == pytest.approx([1600.0] * 3)
    assert found[0].of_an_hour(pretrained=False) == pytest.approx(3 * (3600 / 200) ** 0.5)
    assert found[1].of_an_hour(pretrained=True) == pytest.approx(2 * (3600 / 2400) ** 0.5)


def test_the_page_says_it_where_rows_of_several_evaluations_tell_their_cost(tmp_path: Path):
    title = "Which metric tells arms apart"
    page = write_report(tmp_path, planted()).read_text()
    assert title in page
    assert "<td>3.0</td><td>3.3</td><td>26.7</td><td>12.7</td><td>4.2</td>" in page
    rows = planted()
    for own in rows:
        del own["cost"]["evaluations"]
    assert title not in write_report(tmp_path, rows).read_text()
    rows = planted()
    for own in rows:
        own["report"] = {"metrics": ["test/detection/map", "test/detection/ap50"]}
    assert title not in write_report(tmp_path, rows).read_text()
