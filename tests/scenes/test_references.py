"""References to houses: one grammar, lazy, and a clear line for whatever is not there or damaged."""

import gzip
import json
import re
import tracemalloc
from pathlib import Path

import pytest

from scenes.commands import CheckConfig, check
from scenes.house.files import json_lines, references
from scenes.house.files.references import absolute, each_house, read_values
from scenes.house.schema import House

GOLDEN = sorted((Path(__file__).parents[1] / "golden" / "procthor").glob("*.json"))


@pytest.fixture(autouse=True)
def no_cache(monkeypatch, tmp_path_factory):
    """No test sees a data set that this machine happens to hold."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(params=["houses.jsonl", "houses.jsonl.gz"])
def lines(request, tmp_path) -> Path:
    """The four sample houses, one a line."""
    return write(tmp_path / request.param, [line(path) for path in GOLDEN])


def line(path: Path) -> bytes:
    return json.dumps(json.loads(path.read_text())).encode()


def write(path: Path, rows: list[bytes]) -> Path:
    data = b"".join(row + b"\n" for row in rows)
    path.write_bytes(gzip.compress(data, 1) if path.suffix == ".gz" else data)
    return path


def names(*given) -> list[str]:
    return [Path(name).name for name in each_house(given)]


def test_files_folders_and_lines(tmp_path):
    write(tmp_path / "b.jsonl", [b"{}", b"{}"])
    write(tmp_path / "c.jsonl.gz", [b"{}"])
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "notes.txt").write_text("no house")
    (tmp_path / "a.json.tmp").write_text("half a house")
    everything = ["a.json", "b.jsonl#0", "b.jsonl#1", "c.jsonl.gz#0"]
    assert names(tmp_path) == everything
    assert names(str(tmp_path), tmp_path / "a.json") == [*everything, "a.json"]


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ("", [0, 1, 2, 3]),
        ("#2", [2]),
        ("#0:2", [0, 1]),
        ("#1:", [1, 2, 3]),
        ("#:3", [0, 1, 2]),
        ("#3:4", [3]),
    ],
)
def test_parts_of_lines(lines, wanted, numbers):
    assert names(f"{lines}{wanted}") == [f"{lines.name}#{n}" for n in numbers]


def test_lines_are_houses(lines):
    found = [House.load(reference) for reference in each_house([lines])]
    assert [h.canonical() for h in found] == [House.load(path).canonical() for path in GOLDEN]
    assert House.load(f"{lines}#1").digest() == found[1].digest(), "and back again"


def test_a_file_or_folder_of_the_very_name_comes_first(tmp_path):
    odd = tmp_path / "my#1.json"
    odd.write_bytes(line(GOLDEN[0]))
    assert names(odd) == ["my#1.json"]
    assert House.load(odd).digest() == House.load(GOLDEN[0]).digest()
    (tmp_path / "all#0:1").mkdir()
    write(tmp_path / "all#0:1" / "x#y.jsonl", [line(GOLDEN[0])])
    (one,) = each_house([tmp_path / "all#0:1"])
    assert House.load(one).digest() == House.load(GOLDEN[0]).digest()


def test_absolute(lines, monkeypatch):
    monkeypatch.chdir(lines.parent)
    assert absolute(f"{lines.name}#2") == f"{lines}#2"
    assert absolute(lines.name) == str(lines)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("nowhere.json", r"there is no house at nowhere\.json"),
        ("nowhere.jsonl#3", r"there is no house at nowhere\.jsonl: "),
        ("{lines}#4:9", r"jsonl(\.gz)? holds 4 lines: #4:9 reaches beyond its end"),
        ("{lines}#2:9", r"holds 4 lines: #2:9 reaches beyond"),
        ("{lines}#4:", r"holds 4 lines: #4: reaches beyond"),
        ("{lines}#2:2", "empty slice"),
        ("{lines}#3:1", "empty slice"),
        ("{lines}#-1", "a number, as #12, or a slice"),
        ("{lines}#0:4:2", "a number, as #12, or a slice"),
        ("{lines}#", "a number, as #12, or a slice"),
        ("{house}#0", r"only \.jsonl and \.jsonl\.gz hold many houses"),
    ],
)
def test_what_is_not_there_is_said(lines, reference, message):
    with pytest.raises(ValueError, match=message):
        list(each_house([reference.format(lines=lines, house=GOLDEN[0])]))


def test_a_house_is_one_house(lines, tmp_path):
    with pytest.raises(ValueError, match=r"holds 4 lines: there is no #4"):
        House.load(f"{lines}#4")
    with pytest.raises(ValueError, match=r"names many houses: choose one, as .*#0"):
        House.load(lines)
    with pytest.raises(ValueError, match="names many houses"):
        House.load(f"{lines}#0:1")
    with pytest.raises(ValueError, match="is a folder"):
        House.load(tmp_path)
    for wrong in ([], [tmp_path / "empty"]):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(ValueError, match="house"):
            list(each_house(wrong))


@pytest.mark.parametrize("name", ["houses.jsonl", "houses.jsonl.gz"])
@pytest.mark.parametrize(
    ("row", "message"),
    [
        (b"", "line 2 is blank: delete it"),
        (b"  ", "line 2 is blank"),
        (b'{"rooms": "\xff"}', r"line 2: byte 11 is not UTF-8"),
        (b'{"rooms": [}', r"line 2: column 12: this is not JSON"),
        (b'{"rooms": []', r"line 2: column 13: this is not JSON"),
        (b"[" * 100_000, "line 2: JSON nested so deep"),
        (b"9" * 5000, "line 2: Exceeds the limit"),
        (b"[]", "line 2: a house is a JSON object"),
        (b'{"metadata": {"schema": "9"}}', r"line 2: metadata\.schema is '9'"),
    ],
)
def test_errors_name_file_and_line(tmp_path, name, row, message):
    path = write(tmp_path / name, [line(GOLDEN[0]), row])
    with pytest.raises(ValueError, match=re.escape(str(path)) + ": " + message):
        House.load(f"{path}#1")
    House.load(f"{path}#0")


def test_errors_name_the_place_in_the_line(tmp_path):
    values = json.loads(line(GOLDEN[0]))
    values["doors"][3]["wall0"] = "wall|nowhere"
    path = write(tmp_path / "houses.jsonl", [line(GOLDEN[0]), json.dumps(values).encode()])
    with pytest.raises(ValueError, match=r"houses\.jsonl: line 2: doors\.3\.wall0: there is no wall"):
        House.load(f"{path}#1")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[: len(data) // 2], "was cut short"),
        (lambda data: data[:5], "was cut short"),
        (lambda data: data[:200] + bytes(64) + data[264:], "is damaged"),
        (lambda data: data[:-8] + bytes(8), "is damaged"),
        (lambda _: b'{"rooms": []}\n', "is damaged, or no gzip file at all"),
        (
            lambda _: b"version https://git-lfs.github.com/spec/v1\n",
            "is only Git LFS.s pointer .*git lfs pull",
        ),
        (lambda _: b"", "holds 0 lines: it is empty"),
        (lambda _: gzip.compress(b""), "holds 0 lines: it is empty"),
    ],
)
def test_damaged_files_are_refused(tmp_path, damage, message):
    path = write(tmp_path / "houses.jsonl.gz", [line(path) for path in GOLDEN])
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=rf"houses\.jsonl\.gz {message}"):
        list(each_house([path]))
    with pytest.raises(ValueError, match=r"houses\.jsonl\.gz"):
        [read_values(f"{path}#{number}") for number in range(5)]


def test_a_file_that_is_no_json(tmp_path):
    path = tmp_path / "house.json"
    for text, message in (
        (b"{\n]", "line 2, column 1"),
        (b"\xfe{}", "byte 0 is not UTF-8"),
        (b"", "not JSON"),
    ):
        path.write_bytes(text)
        with pytest.raises(ValueError, match=rf"house\.json: .*{message}"):
            House.load(path)


def test_one_line_is_parsed_and_lines_in_order_are_read_once(tmp_path, monkeypatch):
    path = write(tmp_path / "houses.jsonl.gz", [b"not JSON"] * 50 + [line(GOLDEN[1])] * 50)
    opened = []
    kept = json_lines._opened
    monkeypatch.setattr(json_lines, "_opened", lambda p: opened.append(p) or kept(p))
    parsed = []
    loads = json.loads
    monkeypatch.setattr(references.json, "loads", lambda text: parsed.append(1) or loads(text))
    for number in range(50, 100, 7):
        read_values(f"{path}#{number}")
    assert (len(opened), len(parsed)) == (1, 8)
    read_values(f"{path}#51")
    assert len(opened) == 2, "back to the start"
    write(path, [line(GOLDEN[2])] * 60)
    assert read_values(f"{path}#59")[1] == json.loads(GOLDEN[2].read_text()), "the file was written anew"


def test_memory_stays_flat(tmp_path):
    row = line(GOLDEN[1])
    path = write(tmp_path / "houses.jsonl.gz", [row] * 2000)  # 90 MB
    tracemalloc.start()
    try:
        for i, reference in enumerate(each_house([path])):
            if i % 500 == 0:
                House.load(reference)
        assert tracemalloc.get_traced_memory()[1] < 40 * len(row)
    finally:
        tracemalloc.stop()


def test_commands_take_references(lines, capsys):
    check(CheckConfig(houses=(Path(f"{lines}#0:2"),)))
    assert "of 2 houses are valid" in capsys.readouterr().out
