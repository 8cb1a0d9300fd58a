"""Pages of planted studies: each form draws, says what was planted, and reaches for nothing."""

import csv
import html
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenes.generate.generate import generate_house
from studies.report.analysis.break_even import break_evens
from studies.report.analysis.claims import claims, compared, diagonal, scope
from studies.report.analysis.metrics_text import digits, gain, label, signed
from studies.report.analysis.rows import Point, Table
from studies.report.analysis.statistics import students_interval
from studies.report.analysis.ways import fieller_interval
from studies.report.differing import MISSING, differing
from studies.report.figures.stage_sections import loss_panels, stage_drawings
from studies.report.report import write_report
from studies.spec.report import ReportConfig
from tests.studies.planted_rows import bars, curve, heatmap, paths, scores
from tests.studies.planted_rows import row as planted

Row = dict[str, Any]
PNG = 'src="data:image/png;base64,'


def text_of(out: Path, rows: list[Row], report: ReportConfig | None = None) -> str:
    """The words of a page, without its tags and pictures."""
    page = write_report(out, rows, report).read_text()
    page = re.sub(r"<style>.*?</style>", " ", page, flags=re.S)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page)))


@pytest.mark.parametrize("make", [bars, curve, heatmap, paths])
@pytest.mark.parametrize("repeats", [1, 3])
def test_each_form_draws_and_reaches_for_nothing(tmp_path, make: Callable[..., list[Row]], repeats: int):
    page = write_report(tmp_path, make(repeats=repeats)).read_text()
    assert page.count(PNG) == 2, "the figure, and the losses of the transfer"
    assert page.count("<img") == 2
    for outside in ("http:", "https:", "<script", "<link", "@import", "url("):
        assert outside not in page
    assert "Every point" in page
    assert "Runs and their cost" in page
    for gone in ("Predictions beside truth", "What the body sensed", "The houses it is evaluated in"):
        assert gone not in page, "only rows are there, so there is nothing to show"


def test_losses_of_two_protocols_are_not_drawn_over_each_other(tmp_path):
    rows = bars()
    for row in rows:
        probe = next(s for s in row["stages"].values() if s["kind"] == "transfer") | {
            "label": "transfer (linear) from scratch"
        }
        row["stages"][f"linear-{row['arm']}-{row['repeat']}"] = probe
    data = Table(rows)
    panels = loss_panels(data, stage_drawings(tmp_path, data))["Learning", "Transfer loss"]
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    assert set(panels) == {f"{arm}, {way}" for arm in arms for way in ("finetune", "linear")}
    assert sum(map(len, panels.values())) == 2 * len(rows)


def test_the_same_rows_give_the_same_bytes(tmp_path):
    first = write_report(tmp_path, bars(houses=4)).read_bytes()
    assert write_report(tmp_path, bars(houses=4)[::-1]).read_bytes() == first


def test_the_page_claims_what_was_planted_and_says_how_surely(tmp_path):
    text = text_of(tmp_path, bars())
    assert "tst-mm is better than scratch: +4.9 points of mIoU, test." in text
    assert "Student's t over 3 repeats" in text
    assert "each with its own seeds of init and draws; houses and poses are the same in all" in text
    assert "says nothing of houses other than these" in text
    alone = text_of(tmp_path, bars(repeats=1))
    assert "Nothing may be claimed" in alone
    assert "One repeat: nothing is known of the spread" in alone


def test_less_may_be_better(tmp_path):
    text = text_of(tmp_path, bars({"form": "bars", "metrics": ["test/miou"], "lower": ["test/miou"]}))
    assert "tst-mm is worse than scratch" in text


def test_a_metric_that_no_row_has_leaves_a_page_that_says_so(tmp_path):
    text = text_of(tmp_path, bars({"form": "bars", "metrics": ["nowhere/miou"]}))
    assert "No row has any of nowhere/miou yet" in text


def test_no_page_hides_how_near_evaluated_frames_are_to_learned_ones(tmp_path):
    """The least over all rows; of frames held out of a capture the rule too; nothing where none is."""
    rows = bars()
    assert "evaluated camera" not in text_of(tmp_path, rows)
    for i, row in enumerate(rows):
        row["metrics"]["test/least_distance_to_learned_m"] = 0.25 + i
    said = "Least distance in test of an evaluated camera to a learned one: 0.250 m."
    assert said in text_of(tmp_path, rows)
    for i, row in enumerate(rows):
        of = {"apart_m": 0.5, "apart_degrees": 30, "apart_seconds": 2, "frames_between": 211}
        found = {"least_distance_looking_alike_m": 0.625 - i / 100, "least_seconds_to_learned": 2.25} | of
        row["metrics"] |= {f"test/{name}": value for name, value in found.items()}
    page = text_of(tmp_path, rows)
    assert "none is within 0.5 m and 30 degrees, or 2 s, of a learned one" in page
    least = 0.625 - (len(rows) - 1) / 100
    assert f"looks alike: {least:.3f} m, to any: 0.250 m; of times: 2.25 s. Frames between" in page
    assert "dropped: 211." in page


def test_a_row_without_the_metric_stays_without(tmp_path):
    rows = bars()
    del rows[0]["metrics"]["test/miou"]
    write_report(tmp_path, rows)
    lines = list(csv.DictReader((tmp_path / "report.csv").read_text().splitlines()))
    assert [line["test/miou"] == "" for line in lines] == [True] + [False] * 8
    (point,) = (
        p for p in json.loads((tmp_path / "report.json").read_text())["points"] if p["arm"] == "scratch"
    )
    assert point["n"] == 2


@pytest.mark.parametrize("make", [curve, heatmap, paths])
def test_a_study_half_done_has_its_page(tmp_path, make: Callable[..., list[Row]]):
    text_of(tmp_path, make()[::2])
    text_of(tmp_path, make()[:1])


# --- curves ----------------------------------------------------------------------------------------------


def test_the_law_and_what_the_test_house_is_worth(tmp_path):
    text = text_of(tmp_path, curve(reach=0.19))
    found = json.loads((tmp_path / "report.json").read_text())
    fit = next(one for one in found["fits"] if one["metric"] == "test/miou")
    assert fit["b"] == pytest.approx(0.02, abs=0.001)
    assert re.search(r"b = (1\.9\d|2(\.0\d)?) for each tenfold", text)
    assert "The slope is claimed" in text
    worth = next(one for one in found["worth"] if one["metric"] == "test/miou")
    assert worth["at"] == pytest.approx(10**1.5, rel=0.2)
    assert worth["low"] < worth["at"] < worth["high"]
    assert not worth["fitted_is_extrapolated"]
    assert re.search(r"iid reaches test-house's mean at \d\d houses, read between the measured levels", text)
    assert "extrapolated" not in text


def test_nothing_beyond_the_measured_levels_without_saying_so(tmp_path):
    text = text_of(tmp_path, curve(reach=0.24))
    assert "does not reach test-house's mean: it is worth ≥ 1,000 (the largest measured) houses" in text
    assert re.search(r"The fitted function, extrapolated, reaches it at 1?\d,\d{3}", text)
    found = json.loads((tmp_path / "report.json").read_text())["worth"][0]
    assert found["at"] == "beyond the largest"
    assert found["fitted_is_extrapolated"]


def test_too_few_levels_for_a_law_are_said(tmp_path):
    text = text_of(tmp_path, [r for r in curve() if r["point"].get("houses") not in (100, 1000)])
    assert "a log function through 2 levels says nothing: measure at least 3" in text


def test_the_papers_numbers_stand_apart(tmp_path):
    page = write_report(tmp_path, curve()).read_text()
    (inside,) = re.findall(r'<div class="paper">(.*?)</table></div></div>', page, flags=re.S)
    assert "20.5" in inside
    assert "Fig. 8, read off" in inside
    assert "20.5" not in page.replace(inside, "")
    ours = json.loads((tmp_path / "report.json").read_text())
    assert [t["rows"] for t in ours["paper"]] == [[[1, 20.5], [100, None]]]
    assert "20.5" not in json.dumps(ours["points"])
    assert "20.5" not in (tmp_path / "report.csv").read_text()


def bounded(low: float, high: float, noise: float, repeats: int = 4) -> list[Row]:
    """tst-mm goes .4 of the way from scratch to supervised; each repeat has its own luck and its own way."""
    rng = np.random.default_rng(5)
    arms, report = ["scratch", "tst-mm", "supervised"], {"form": "bars", "way": ["scratch", "supervised"]}
    rows = []
    for r in range(repeats):
        luck, way = rng.normal(0, 0.02), high - low + rng.normal(0, noise)
        for arm, share in zip(arms, (0.0, 0.4, 1.0), strict=True):
            value = low + luck + share * way + (arm == "tst-mm") * rng.normal(0, noise / 10)
            rows.append(planted(arm, r, scores(value), arms=arms, report=report))
    return rows


def test_the_share_of_the_way_is_the_planted_one(tmp_path):
    text = text_of(tmp_path, bounded(0.2, 0.3, 0.01))
    assert "Share of the way from scratch to supervised" in text
    (way,) = json.loads((tmp_path / "report.json").read_text())["way"]
    assert (way["arm"], way["n"]) == ("tst-mm", 4)
    assert way["share"] == pytest.approx(0.4, abs=0.02)
    assert f"{100 * way['share']:.0f} %" in text
    assert [i["kind"] for i in way["intervals"]] == ["Fieller's over 4 repeats", "bootstrap over 4 repeats"]
    for interval in way["intervals"]:
        assert 0.3 < interval["low"] < way["share"] < interval["high"] < 0.5


@pytest.mark.parametrize(("high", "repeats"), [(0.201, 4), (0.3, 1)])
def test_where_the_way_is_not_clear_of_zero_there_is_no_share(tmp_path, high: float, repeats: int):
    text = text_of(tmp_path, bounded(0.2, high, 0.01, repeats))
    assert "supervised − scratch is not clear of zero" in text
    (way,) = json.loads((tmp_path / "report.json").read_text())["way"]
    assert (way["share"], way["intervals"]) == (None, [])


def test_fiellers_interval_is_where_students_t_does_not_tell_the_ratio_from_zero():
    over, under = np.array([0.02, 0.05, 0.03, 0.04]), np.array([0.09, 0.12, 0.08, 0.11])
    interval = fieller_interval(over, under)
    assert interval is not None
    for end in (interval.low, interval.high):
        t = students_interval(over - end * under)
        assert min(abs(t.low), abs(t.high)) == pytest.approx(0, abs=1e-12)
    assert fieller_interval(over, under - 0.1) is None


def sized(costs: bool = True) -> list[Row]:
    """Two sizes, of 1 and 5 GFLOP an image; pre-training of the small one takes 1,000 GFLOP."""
    axes, arms = {"size": ["S", "B"]}, ["scratch", "tst-mm"]
    report, rows = {"form": "curve", "x": "size"}, []
    for arm, once in (("scratch", 0), ("tst-mm", 1000)):
        for size, each in (("S", 1.0), ("B", 5.0)):
            for r in range(3):
                cost = {"pretrain_gflop": once * each} | ({"test/gflop_per_image": each} if costs else {})
                metrics = scores(0.2 + 0.03 * (once > 0) + 0.001 * r) | cost
                rows.append(planted(arm, r, metrics, {"size": size}, arms=arms, axes=axes, report=report))
    return rows


def test_a_smaller_specialist_is_paid_after_its_pretraining_by_what_an_image_saves(tmp_path):
    (pair,) = break_evens(Table(sized()))
    assert (pair.specialist.label, pair.larger.label) == ("tst-mm, size S", "scratch, size B")
    assert pair.images == pytest.approx(250)
    assert pair.gain == pytest.approx(0.03)
    assert "tst-mm, size S scratch, size B mIoU [%], test +3.0 1,000 4 250" in text_of(tmp_path, sized())
    assert "has paid for itself" not in text_of(tmp_path, sized(costs=False))


# --- what is compared ------------------------------------------------------------------------------------


def pairs(rows: list[Row], **report: Any) -> list[tuple[str, str]]:
    config = ReportConfig.model_validate(rows[0]["report"] | report)
    return list(dict.fromkeys((c.a, c.b) for c in claims(Table(rows, config))))


def test_pairs_to_compare_follow_the_form():
    assert pairs(bars()) == [("tst-mae", "scratch"), ("tst-mm", "scratch"), ("tst-mm", "tst-mae")]
    assert pairs(curve(), claims=[]) == [
        ("iid, houses 1,000", "iid, houses 1"),
        ("iid, houses 10", "iid, houses 1"),
        ("iid, houses 100", "iid, houses 10"),
        ("iid, houses 1,000", "iid, houses 100"),
    ]
    assert pairs(curve(), claims=[["test-house", "iid@10"]]) == [("test-house", "iid, houses 10")]
    assert pairs(curve(), claims=[["iid", "scratch"]]) == [
        (f"iid, houses {n}", "scratch") for n in ("1", "10", "100", "1,000")
    ]
    assert pairs(paths(), claims=[["replay", "no replay"]])[0] == ("replay, frames 0", "no replay, frames 0")
    assert len(pairs(paths(), claims=[["replay", "no replay"]])) == 4
    assert pairs(paths(), claims=[["replay@4000", "replay@0"]]) == [
        ("replay, frames 4,000", "replay, frames 0")
    ]


def test_a_comparison_is_the_difference_of_means():
    table = Table(curve())
    summary = compared(table, Point("test-house"), Point("scratch"), "test/miou")
    assert summary is not None
    assert summary.mean == pytest.approx(0.07, abs=0.003)


def test_the_diagonal_is_free_of_easy_houses_and_good_teachers():
    found = diagonal(Table(heatmap(worth=0.03)), Point("tst-mm"))
    assert found is not None
    summary, levels = found
    assert levels == 4
    assert summary.mean == pytest.approx(0.03, abs=0.003)
    assert summary.verdict == "claim"
    assert summary.houses == 4
    grid = np.array([[r["metrics"][f"{c}/miou"] for c in "abcd"] for r in heatmap() if r["repeat"] == 0])
    off = grid[~np.eye(4, dtype=bool)]
    assert summary.values[0] == pytest.approx(np.diag(grid).mean() - off.mean())


def test_where_home_is_worth_nothing_the_diagonal_claims_little():
    found = [diagonal(Table(heatmap(worth=0.0, seed=s)), Point("tst-mm")) for s in range(60)]
    assert sum(one is not None and one[0].verdict != "no claim" for one in found) <= 6  # 60 · .05, and luck


def test_a_hole_in_the_square_leaves_its_repeat_out():
    rows = heatmap()
    del rows[0]["metrics"]["c/miou"]
    found = diagonal(Table(rows), Point("tst-mm"))
    assert found is not None
    assert found[0].n == 2


def test_what_was_varied_is_said():
    rows = bars()
    for row in rows:
        row["seeds"]["houses"] = row["repeat"]
    assert scope(Table(rows)) == (
        "3 repeats, each with its own seeds of houses, init and draws; poses is the same in all."
    )


# --- beside the page -------------------------------------------------------------------------------------


def test_a_line_a_run_in_the_csv(tmp_path):
    rows = curve()
    write_report(tmp_path, rows)
    lines = list(csv.DictReader((tmp_path / "report.csv").read_text().splitlines()))
    assert len(lines) == len(rows) == 18
    last = lines[-1]
    assert (last["arm"], last["houses"], last["repeat"], last["seed/init"]) == ("iid", "1000", "2", "2")
    assert float(last["test/iou/wall"]) == pytest.approx(1.5 * float(last["test/miou"]))
    assert "test/classes" not in last
    assert lines[0]["houses"] == ""


def test_pictures_come_where_stage_folders_are(tmp_path):
    rows = bars(repeats=2)
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 255, (3, 16, 16, 3), dtype=np.uint8)
    truth = rng.integers(0, 4, (3, 16, 16), dtype=np.uint8)
    for row in rows:
        folder = tmp_path / row["evaluations"]["test"]
        folder.mkdir(parents=True)
        np.savez_compressed(folder / "predictions.npz", rgb=rgb, truth=truth, prediction=truth)
    houses = tmp_path / "stages" / "houses-0" / "houses"
    houses.mkdir(parents=True)
    house = generate_house(1, "apartment")
    house.save(houses / f"{house.space_id}.json")
    page = write_report(tmp_path, rows).read_text()
    assert page.count(PNG) == 4
    assert "Predictions beside truth" in page
    assert "Evaluated in test, repeat 0" in page
    assert "The houses it is evaluated in" in page
    assert "</span>wall" in page


def test_what_a_run_costs_and_what_sharing_saved(tmp_path):
    text = text_of(tmp_path, bars())
    assert "9 runs rest on 10 stages, which took 9.0 min in all" in text
    assert "had no stage been shared, 18 stage runs and 9.3 min" in text


def test_text_from_rows_is_text_on_the_page(tmp_path):
    rows = bars()
    for row in rows:
        row["question"] = "<b>1 < 2</b>"
    assert "&lt;b&gt;1 &lt; 2&lt;/b&gt;" in write_report(tmp_path, rows).read_text()


def test_numbers_are_written_for_people():
    assert label("held_out/linear/miou") == "mIoU [%], held out, linear"
    assert label("test/iou/wall") == "IoU of wall [%], test"
    assert label("frames_seen") == "frames seen"
    assert digits(0.1234, "test/miou") == "12.3"
    assert digits(0.00042, "test/miou") == "0.042"
    assert digits(0.0009, "test/miou") == "0.09"
    assert digits(-0.0006, "test/miou") == "-0.06"
    assert [digits(v, "test/miou") for v in (0, 0.00097, 1e-9, -1e-6)] == ["0.0", "0.1", "0.0", "0.0"]
    assert digits(3000, "frames_seen") == "3000"
    assert (signed(-0.02, "miou"), signed(0.0, "miou"), signed(-0.000001, "miou")) == ("−2.0", "0.0", "0.0")
    assert gain(0.5, "pretrain_loss") == "+0.5 in pretrain loss"


def test_configurations_differ_field_by_field():
    a = {"x": {"y": 1, "z": [1, 2]}, "many": [{"w": 1}], "only": None}
    b = {"x": {"y": 2, "z": [1, 2]}, "many": [{"w": 1}, {"w": 3}]}
    assert differing(a, b) == {"x.y": (1, 2), "only": (None, MISSING), "many[1].w": (MISSING, 3)}
    assert differing(a, a) == {}
