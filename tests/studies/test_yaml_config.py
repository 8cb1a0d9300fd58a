import pytest
from pydantic import BaseModel, ConfigDict

from studies.spec.yaml import load_yaml, merge, parse


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    width: int = 1


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    inner: Inner = Inner()
    many: dict[str, Inner] = {}
    count: int = 0


def test_an_unknown_key_names_the_place_and_the_keys_that_exist():
    with pytest.raises(ValueError, match=r"a\.yaml: unknown key 'inner\.widht'; keys there are: width"):
        parse(Outer, {"inner": {"widht": 3}}, "a.yaml")
    with pytest.raises(ValueError, match=r"unknown key 'coutn'; keys there are: count, inner, many"):
        parse(Outer, {"coutn": 3}, "a.yaml")
    with pytest.raises(ValueError, match=r"unknown key 'many\.x\.height'; keys there are: .*width"):
        parse(Outer, {"many": {"x": {"height": 3}}}, "a.yaml")


def test_every_fault_is_told_at_once():
    with pytest.raises(ValueError, match="count") as caught:
        parse(Outer, {"count": "many", "inner": {"width": []}}, "a.yaml")
    assert "count" in str(caught.value)
    assert "inner.width" in str(caught.value)


def test_merge_goes_into_mappings_and_replaces_the_rest():
    base = {"a": {"x": 1, "y": [1, 2]}, "b": 1}
    assert merge(base, {"a": {"y": [3]}, "c": 2}) == {"a": {"x": 1, "y": [3]}, "b": 1, "c": 2}
    assert base == {"a": {"x": 1, "y": [1, 2]}, "b": 1}


@pytest.mark.parametrize(
    ("text", "message"), [("- 1\n", "expected a mapping"), ("a: [", "not readable as YAML")]
)
def test_a_file_that_is_no_mapping_is_named(tmp_path, text, message):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        load_yaml(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        load_yaml(tmp_path / "none.yaml")
