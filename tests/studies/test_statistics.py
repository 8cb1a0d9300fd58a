import itertools
import math

import numpy as np
import pytest
from scipy import stats

from studies.report.analysis.rows import Point, Table
from studies.report.analysis.statistics import Summary, difference, holm, signed_rank, summarise
from tests.studies.planted_rows import bars, curve, row, scores


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def of(*values: float, houses: dict[int, dict[str, float]] | None = None) -> Summary:
    summary = summarise(dict(enumerate(values)), houses or {}, rng())
    assert summary is not None
    return summary


# --- rows as a table -------------------------------------------------------------------------------------


def test_points_come_in_the_order_of_the_file():
    rows = curve()
    table = Table(rows[::-1])
    assert [p.label for p in table.points] == [
        "scratch",
        "test-house",
        *(f"iid, houses {n}" for n in ("1", "10", "100", "1,000")),
    ]
    assert [len(points) for points in table.series.values()] == [1, 1, 4]
    assert table.repeats() == [0, 1, 2]
    assert table.varied() == (["init", "draws"], ["houses", "poses"])
    assert table.points[2].named("houses") == "iid@1"


def test_a_missing_metric_stays_missing():
    rows = bars()
    del rows[0]["metrics"]["test/miou"]
    rows[1]["metrics"]["test/miou"] = None
    table = Table(rows)
    assert list(table.values(Point("scratch"), "test/miou")) == [2]
    assert table.values(Point("scratch"), "nowhere/miou") == {}
    assert summarise({}, {}, rng()) is None
    assert difference({0: 1.0}, {1: 1.0}, {}, {}, rng()) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"study": "other"}, "one study, and these are of other, planted"),
        ({"preset": "smoke"}, "one preset"),
        ({"repeat": 1}, r"two rows are scratch, repeat 1: scratch-0\.json and scratch-1\.json"),
        ({"report": {"form": "bars", "expect": "more"}}, "ask for different pages"),
    ],
)
def test_rows_of_no_one_study_are_refused(change, message):
    rows = bars()
    rows[0] |= change
    with pytest.raises(ValueError, match=message):
        Table(rows)
    with pytest.raises(ValueError, match="no rows"):
        Table([])


# --- intervals -------------------------------------------------------------------------------------------


def test_the_interval_over_repeats_is_students():
    summary = of(0.1, 0.2, 0.2)
    assert summary.mean == pytest.approx(0.5 / 3)
    assert summary.sd == pytest.approx(np.std([0.1, 0.2, 0.2], ddof=1))
    theirs = stats.ttest_1samp([0.1, 0.2, 0.2], 0)
    low, high = theirs.confidence_interval(0.95)
    assert (summary.students.low, summary.students.high) == pytest.approx((low, high))
    assert summary.p_value == pytest.approx(theirs.pvalue)


def test_the_bootstrap_is_scipys_where_only_repeats_are_drawn():
    values = rng().normal(1, 1, 12)
    ours = of(*values).of_repeats
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=20000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.05)


def test_houses_are_resampled_where_their_scores_are_there():
    each = {r: {f"h{i}": 0.3 + 0.1 * i for i in range(5)} for r in range(3)}
    summary = of(0.50, 0.51, 0.49, houses=each)
    assert summary.houses == 5
    assert [i.kind for i in summary.intervals] == [
        "Student's t over 3 repeats",
        "bootstrap over 3 repeats and 5 houses",
        "Student's t over 5 houses",
    ]
    # Houses differ by more than repeats, so their draws make the interval: sd of a mean of five, widened.
    spread = np.std([0.3, 0.4, 0.5, 0.6, 0.7], ddof=1) / 5**0.5
    assert summary.intervals[1].high - summary.mean == pytest.approx(1.96 * spread, rel=0.1)
    assert summary.intervals[2].high - summary.mean == pytest.approx(stats.t.ppf(0.975, 4) * spread, rel=1e-6)


def test_houses_of_its_own_in_each_repeat_are_drawn_apart():
    scores_of = [0.3, 0.4, 0.5, 0.6, 0.7]
    own = {r: {f"{r}-{i}": v for i, v in enumerate(scores_of)} for r in range(3)}
    same = {r: {f"{i}": v for i, v in enumerate(scores_of)} for r in range(3)}
    apart, together = (of(0.50, 0.51, 0.49, houses=h) for h in (own, same))
    assert apart.houses == 15
    assert len(apart.intervals) == 2, "Student's t over houses needs the same ones in all repeats"
    width = [s.intervals[1].high - s.intervals[1].low for s in (apart, together)]
    assert width[0] < 0.8 * width[1]


def test_one_house_or_a_repeat_without_houses_leaves_the_repeats_alone():
    one = {r: {"h": 0.5} for r in range(3)}
    some = {0: {"a": 0.1, "b": 0.2}}
    for houses in (one, some):
        assert of(0.50, 0.51, 0.49, houses=houses).intervals[1].kind == "bootstrap over 3 repeats"


def test_the_same_generator_gives_the_same_interval():
    assert of(0.1, 0.3, 0.2, 0.7) == of(0.1, 0.3, 0.2, 0.7)


# --- what may be claimed ---------------------------------------------------------------------------------


def test_a_difference_is_paired_by_repeat_and_by_house():
    a, b = {0: 0.3, 1: 0.4, 2: 0.5}, {0: 0.2, 2: 0.2, 3: 0.9}
    houses = {0: {"x": 0.3, "y": 0.5}, 2: {"x": 0.3, "y": 0.6}}
    summary = difference(a, b, houses, {0: {"x": 0.1, "y": 0.2}, 2: {"x": 0.1, "z": 0.1}}, rng())
    assert summary.values == pytest.approx((0.1, 0.3))
    assert summary.houses == 0, "in repeat 2 they were evaluated in different houses"


def test_a_claim_only_where_every_interval_excludes_zero():
    assert of(0.10, 0.11, 0.12).verdict == "claim"
    assert of(-0.10, -0.11, -0.12).verdict == "claim"
    assert of(0.1, -0.1, 0.05).verdict == "no claim"
    wide = of(0.01, 0.02, 0.06)
    assert wide.of_repeats.excludes_zero, "three repeats of one sign: the bootstrap is too sure"
    assert wide.verdict == "no claim"
    assert of(0.3).verdict == "no claim"
    assert of(0.3).students is None
    assert of(0.3, 0.3, 0.3).verdict == "no claim", "repeats that repeat nothing show nothing"


def test_what_holds_in_the_evaluated_houses_may_not_hold_in_others():
    split = {r: {"a": 0.5, "b": -0.2, "c": 0.0} for r in range(3)}
    assert of(0.100, 0.101, 0.099, houses=split).verdict == "these houses only"
    agreed = {r: {f"h{i}": 0.1 + 0.005 * i for i in range(6)} for r in range(3)}
    assert of(0.112, 0.113, 0.111, houses=agreed).verdict == "claim"


@pytest.mark.parametrize(("repeat_sd", "house_sd"), [(1.0, 0.0), (1.0, 1.0), (0.3, 1.0), (0.1, 1.0)])
def test_where_nothing_was_planted_little_is_claimed(repeat_sd, house_sd, monkeypatch):
    """Three repeats, eight houses, no effect: a claim in one study of twenty at most, and some luck."""
    monkeypatch.setattr("studies.report.analysis.statistics.REPLICATES", 300)
    draw, claims, too_sure, n = np.random.default_rng(5), 0, 0, 600
    for _ in range(n):
        houses = draw.normal(0, house_sd, 8) if house_sd else np.zeros(8)
        scores = draw.normal(0, repeat_sd, (3, 1)) + houses + draw.normal(0, 0.1, (3, 8))
        summary = summarise(
            dict(enumerate(scores.mean(axis=1))),
            {r: {str(i): v for i, v in enumerate(scores[r])} for r in range(3)},
            draw,
        )
        claims += summary.verdict == "claim"
        too_sure += summary.of_repeats.excludes_zero
    assert claims / n <= 0.07  # .05, and two standard errors of 600 draws
    assert too_sure / n > 0.15, "the bootstrap over three repeats alone would have claimed this often"


def test_a_planted_effect_is_found():
    draw, found = np.random.default_rng(6), 0
    for _ in range(50):
        values = 0.05 + draw.normal(0, 0.005, 3)
        found += summarise(dict(enumerate(values)), {}, draw).verdict == "claim"
    assert found >= 47


def test_many_questions_at_once_are_held_to_more():
    assert holm([0.04, 0.001, 0.02]) == [True, True, True]
    assert holm([0.04, 0.001, 0.03]) == [False, True, False]
    assert holm([0.2]) == [False]
    assert holm([]) == []


def test_scores_of_houses_are_found_beside_their_metric():
    one = row("a", 0, scores(0.2, {"x": 0.1, "y": 0.3}) | {"held/linear/space_miou": {"z": 0.5}}, arms=["a"])
    table = Table([one])
    assert table.houses(Point("a"), "test/miou") == {0: {"x": 0.1, "y": 0.3}}
    assert table.houses(Point("a"), "held/linear/miou") == {0: {"z": 0.5}}
    assert table.houses(Point("a"), "test/pixel_accuracy") == {}


def test_signed_ranks_are_counted_over_all_signs():
    """Exact: of all signs that eight pairs may have, those at least as one-sided."""
    differences = np.array([0.3, 1.1, -0.2, 2.0, 0.9, 1.7, -0.5, 1.4])
    ranks = np.argsort(np.argsort(np.abs(differences))) + 1.0
    signs = np.array(list(itertools.product([0, 1], repeat=8)))
    sums = signs @ ranks
    seen = ranks[differences > 0].sum()
    expected = 2 * min((sums >= seen).mean(), (sums <= seen).mean())
    assert signed_rank(differences) == pytest.approx(expected)
    assert signed_rank(np.r_[differences, 0.0, 0.0]) == pytest.approx(expected), "zeros are left out"
    assert signed_rank(-differences) == pytest.approx(expected)
    assert signed_rank(np.zeros(5)) == signed_rank(np.zeros(0)) == 1


def test_signed_ranks_with_ties_follow_the_corrected_normal():
    differences = np.array([1.0] * 12 + [-1.0] * 4 + [2.0] * 3 + [-2.0])
    # Ranks are 8.5 for the sixteen ones and 18.5 for the four twos.
    n, positive, ties = 20, 12 * 8.5 + 3 * 18.5, (16**3 - 16) + (4**3 - 4)
    mean, variance = n * (n + 1) / 4, n * (n + 1) * (2 * n + 1) / 24 - ties / 48
    z = abs(positive - mean) / variance**0.5
    assert signed_rank(differences) == pytest.approx(math.erfc(z / 2**0.5), rel=1e-9)
