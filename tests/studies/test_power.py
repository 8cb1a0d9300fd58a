"""Power: numbers of pairs as tables have them; spreads of rows whose truth is known."""

from pathlib import Path

import numpy as np
import pytest

from studies.commands import StudyPowerConfig, power
from studies.report.analysis.power import as_table, jackknife, needed, power_of, spreads
from studies.report.analysis.rows import Table
from tests.studies.planted_rows import bars, row, scores


@pytest.mark.parametrize(("d", "pairs"), [(0.2, 199), (0.5, 34), (0.8, 15), (1.0, 10)])
def test_numbers_of_pairs_are_those_of_the_paired_t_test(d: float, pairs: int):
    """As G*Power gives them: means of two dependent groups, two-sided, alpha 0.05, power 0.8."""
    assert needed(1.0, d) == pairs


def test_power_is_how_often_simulated_tests_reject():
    rng = np.random.default_rng(0)
    drawn = rng.normal(0.5, 1.0, (20_000, 12))
    t = drawn.mean(1) / drawn.std(1, ddof=1) * 12**0.5
    assert power_of(12, 1.0, 0.5) == pytest.approx(float(np.mean(np.abs(t) > 2.200985)), abs=0.01)


def test_the_jackknife_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(1).normal(size=20)
    left = [(values.sum() - v) / 19 for v in values]
    assert jackknife(left) == pytest.approx(values.std(ddof=1) / 20**0.5)


def test_pairs_need_fewer_repeats_than_arms_with_luck_of_their_own():
    (spread,) = spreads(Table(bars(repeats=60, houses=3)))
    assert spread.paired == pytest.approx(0.002 * 2**0.5, rel=0.3)
    assert spread.unpaired == pytest.approx(0.0102 * 2**0.5, rel=0.3)
    assert spread.comparisons == 3
    assert spread.freedom == 2 * 59, "three differences of three arms, two of them independent"
    assert spread.varied == "init and draws"
    assert spread.houses == (3, pytest.approx(0.0, abs=1e-12)), "planted houses differ alike in all arms"
    n, low, high = spread.repeats_for(0.01)
    assert low <= n <= high <= 4


def test_frames_are_paired_too(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    rng = np.random.default_rng(2)
    rows = []
    for repeat in range(3):
        luck = rng.normal(0, 0.01, 20)
        for arm, own in (("scratch", rng.normal(0, 0.001, 20)), ("tst-mm", rng.normal(0, 0.001, 20))):
            metrics = scores(rng.normal(0.2, 0.01)) | {"test/jackknife_miou": (0.2 + luck + own).tolist()}
            rows.append(row(arm, repeat, metrics, arms=["scratch", "tst-mm"], report={"form": "bars"}))
    (spread,) = spreads(Table(rows))
    assert spread.frames == (300, pytest.approx(0.001 * 2**0.5 * 19**0.5, rel=0.3))
    assert "of 300 |" in as_table(["planted"], [spread], 0.01)
    with pytest.raises(ValueError, match="no study was run here"):
        power(StudyPowerConfig(runs=(tmp_path,)))
