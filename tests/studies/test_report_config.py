import pytest

from studies.spec.report import ReportConfig
from studies.spec.yaml import parse

CURVE = {"form": "curve", "x": "houses", "metrics": ["test/miou"]}
ARMS = {"scratch": (), "test-house": (), "iid": ("houses",)}
AXES = {"houses": (1, 10, 100)}


def test_a_report_comes_back_from_json_as_it_was():
    config = parse(
        ReportConfig,
        CURVE
        | {
            "claims": [["test-house", "iid@1"]],
            "paper": {"source": "Fig. 8", "columns": ["a", "b"], "rows": [["x", 1.5], ["y", None]]},
        },
        "a.yaml",
    )
    assert ReportConfig.model_validate(config.model_dump(mode="json")) == config
    config.check(ARMS, AXES)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"form": "curve"}, "give x the name of one"),
        ({"form": "pie"}, "'bars', 'curve', 'heatmap' or 'paths'"),
        ({"log_x": True}, "log_x without x"),
        ({"fit": "log"}, "fit belongs to form curve"),
        ({"metrics": []}, "at least 1"),
        ({"metrics": ["a", "a"]}, "'a' twice"),
        ({"lower": ["loss"]}, "not among metrics"),
        ({"metrics": ["{x}/miou"]}, "for form heatmap"),
        ({"form": "heatmap", "x": "h", "metrics": ["{y}/miou"]}, "in braces"),
        ({"form": "heatmap", "x": "h", "metrics": ["{x}/a", "{x}/b"]}, "one diagonal"),
        ({"claims": [["a", "a"]]}, "with itself"),
        ({"claims": [["a@1", "b"]]}, "there is no x"),
        ({"paper": {"source": "T", "columns": ["a", "b"], "rows": [[1]]}}, "row 1 has 1 cells"),
        ({"colour": "red"}, "unknown key 'colour'; keys there are: claims, expect"),
    ],
)
def test_what_is_wrong_is_said(fields, message):
    with pytest.raises(ValueError, match=message):
        parse(ReportConfig, fields, "a.yaml")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"x": "frames"}, "axes there are: houses"),
        ({"claims": [["iid", "ood"]]}, "arms there are: scratch, test-house, iid"),
        ({"claims": [["iid@3", "scratch"]]}, "levels of houses are: 1, 10, 100"),
        ({"claims": [["iid@1", "scratch@1"]]}, "does not vary over houses"),
        ({"worth_of": "iid"}, "varies over houses itself"),
    ],
)
def test_a_report_is_held_against_its_study(fields, message):
    with pytest.raises(ValueError, match=message):
        ReportConfig.model_validate(CURVE | fields).check(ARMS, AXES)


def test_levels_without_a_logarithm_are_refused():
    config = ReportConfig.model_validate(CURVE | {"log_x": True})
    with pytest.raises(ValueError, match="no logarithm: 0, 1"):
        config.check(ARMS, {"houses": (0, 1)})
