import math

import numpy as np
import pytest

from studies.report.analysis.fits import FitFunction, crossing, fit_curve, fit_function, worth

X = np.array([1.0, 10.0, 100.0, 1000.0, 3000.0])


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("function", [FitFunction("log", 0.16, 0.02), FitFunction("power", 0.3, -0.15, 0.4)])
def test_the_function_that_made_the_points_comes_back(function):
    found = fit_function(function.kind, X, function.at(X))
    assert found.parameters == pytest.approx(function.parameters, rel=1e-3)
    assert not found.at_edge
    assert found.reaches(float(function.at(50.0))) == pytest.approx(50.0, rel=1e-3)


def test_a_logarithm_passed_off_as_a_power_law_runs_to_the_edge():
    assert fit_function("power", X, 0.16 + 0.02 * np.log10(X)).at_edge


def test_a_law_saturates_and_says_what_it_never_reaches():
    assert FitFunction("power", 0.3, -0.15, 0.4).reaches(0.31) is None
    assert FitFunction("log", 0.1, 0.0).reaches(0.2) is None
    assert FitFunction("log", 0.1, 1e-9).reaches(0.9) is None, "beyond all numbers"


def test_as_many_numbers_as_levels_is_no_fit():
    with pytest.raises(ValueError, match="at least 3"):
        fit_function("log", X[:2], X[:2])
    with pytest.raises(ValueError, match="at least 4"):
        fit_function("power", X[:3], X[:3])


def test_how_far_to_trust_a_law_comes_from_the_repeats():
    slopes = np.array([0.018, 0.020, 0.022])
    ys = 0.16 + slopes[:, None] * np.log10(X)
    fit = fit_curve("log", X.tolist(), ys, rng())
    assert fit.function.b == pytest.approx(0.020)
    students, drawn = fit.intervals["b"]
    assert students.high - 0.020 == pytest.approx(4.302653 * 0.002 / 3**0.5, rel=1e-5)
    assert 0.018 <= drawn.low < 0.019
    low, high = fit.band(X)
    assert np.all(low <= high)
    assert high[-1] - low[-1] > high[0] - low[0]
    assert fit_curve("log", X.tolist(), ys[:1], rng()).band(X) is None


def test_a_curve_is_read_between_levels_on_its_scale():
    x = [1.0, 10.0, 100.0]
    assert crossing(x, np.array([0.1, 0.2, 0.3]), 0.25, log=True) == pytest.approx(10**1.5)
    assert crossing(x, np.array([0.1, 0.2, 0.3]), 0.25, log=False) == pytest.approx(55)
    assert crossing(x, np.array([0.1, 0.3, 0.2]), 0.25, log=True) == pytest.approx(10**0.75), "the first"
    assert crossing(x, np.array([0.1, 0.2, 0.3]), 0.05, log=True) == -math.inf
    assert crossing(x, np.array([0.1, 0.2, 0.3]), 0.31, log=True) == math.inf


def test_what_a_house_is_worth_never_leaves_what_was_measured():
    x, luck = [1.0, 10.0, 100.0, 1000.0], np.array([-0.01, 0.0, 0.01])
    function = FitFunction("log", 0.16, 0.02)
    curve = function.at(np.array(x)) + luck[:, None]
    inside = worth(x, curve, np.full(3, 0.19), rng(), log=True, function=function)
    assert inside.at == pytest.approx(10**1.5)
    assert inside.fitted == pytest.approx(10**1.5)
    assert not inside.extrapolated
    assert inside.each == pytest.approx([10**2, 10**1.5, 10])
    assert 9.99 < inside.low < inside.at < inside.high < 100.01
    beyond = worth(x, curve, np.full(3, 0.24), rng(), log=True, function=function)
    assert (beyond.at, beyond.high) == (math.inf, math.inf)
    assert beyond.extrapolated
    assert beyond.fitted == pytest.approx(10**4)


def test_shared_luck_cancels_and_less_may_be_better():
    x, luck = [1.0, 10.0, 100.0], np.array([-0.5, 0.0, 0.5])
    loss = np.array([3.0, 2.0, 1.0]) + luck[:, None]
    found = worth(x, loss, 1.5 + luck, rng(), log=True, lower=True)
    assert (found.low, found.at, found.high) == pytest.approx((10**1.5,) * 3)
    one = worth(x, loss[:1], 1.5 + luck[:1], rng(), log=True, lower=True)
    assert math.isnan(one.low)
    assert one.at == pytest.approx(10**1.5)
