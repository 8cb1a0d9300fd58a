import pytest

from studies.statistics import by_method, paired_difference, verdict


def rows(**values: list[float]) -> list[dict]:
    return [
        {"method": method, "seed": seed, "metrics": {"miou": value}}
        for method, seeds in values.items()
        for seed, value in enumerate(seeds)
    ]


def test_mean_and_spread_over_seeds():
    summary = by_method(rows(mm=[0.1, 0.2, 0.3]), "miou")["mm"]
    assert summary.mean == pytest.approx(0.2)
    assert summary.spread == pytest.approx(0.1)
    assert summary.text() == "20.0 ± 10.0"
    assert by_method(rows(mm=[0.1]), "miou")["mm"].spread is None


def test_a_missing_metric_stays_missing():
    some = rows(mm=[0.1, 0.2])
    del some[0]["metrics"]["miou"]
    assert by_method(some, "miou")["mm"].values == (0.2,)
    assert paired_difference(some + rows(mae=[0.1, 0.1]), "miou", "mm", "mae") is None


def test_the_paired_interval_is_students():
    mean, half = paired_difference(rows(a=[0.3, 0.4, 0.5], b=[0.2, 0.2, 0.2]), "miou", "a", "b")
    assert mean == pytest.approx(0.2)
    assert half == pytest.approx(4.302653 * 0.1 / 3**0.5, rel=1e-6)  # t(0.975, 2 degrees of freedom)


def test_a_claim_only_where_the_interval_excludes_zero():
    assert "no claim" in verdict(rows(a=[0.3, 0.1], b=[0.2, 0.2]), "miou", "a", "b")
    assert verdict(rows(a=[0.30, 0.31, 0.32], b=[0.2, 0.2, 0.2]), "miou", "a", "b").startswith("a is better")
    assert verdict(rows(a=[0.10, 0.11, 0.10], b=[0.2, 0.2, 0.2]), "miou", "a", "b").startswith("a is worse")
    assert "one seed" in verdict(rows(a=[0.3], b=[0.2]), "miou", "a", "b")
