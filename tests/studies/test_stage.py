from pathlib import Path

import pytest

from studies.run.stage import Stage


def stage(kind: str, config: dict, needs: tuple[Stage, ...], calls: list[str]) -> Stage:
    def work(out: Path, inputs: list[Path]) -> dict:
        calls.append(kind)
        assert all((i / "done.json").exists() for i in inputs)
        return {"value": len(calls)}

    return Stage(kind, kind, config, needs, work)


def test_the_key_follows_from_content_and_upstream_alone():
    calls: list[str] = []
    a, same, other = (stage("a", {"x": x}, (), calls) for x in (1, 1, 2))
    assert a.key == same.key != other.key
    assert stage("b", {}, (a,), calls).key == stage("b", {}, (same,), calls).key
    assert stage("b", {}, (a,), calls).key != stage("b", {}, (other,), calls).key


def test_a_stage_is_done_once_and_its_record_kept(tmp_path):
    calls: list[str] = []
    a = stage("a", {}, (), calls)
    assert a.done(tmp_path) is None
    first = a.run(tmp_path)
    assert a.run(tmp_path) == first == a.done(tmp_path)
    assert calls == ["a"]


def test_a_stage_that_fails_leaves_no_record(tmp_path):
    def work(out: Path, inputs: list[Path]) -> dict:
        (out / "half").write_text("half")
        raise RuntimeError("killed")

    broken = Stage("a", "a", {}, (), work)
    with pytest.raises(RuntimeError, match="killed"):
        broken.run(tmp_path)
    assert broken.done(tmp_path) is None


def test_closure_holds_each_stage_once_needs_first():
    calls: list[str] = []
    a = stage("a", {}, (), calls)
    b, c = stage("b", {}, (a,), calls), stage("c", {}, (a,), calls)
    d = stage("d", {}, (b, c), calls)
    assert [s.kind for s in d.closure()] == ["a", "b", "c", "d"]
