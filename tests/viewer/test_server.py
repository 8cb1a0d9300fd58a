"""Who is answered, and that nothing outside of what was opened is."""

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest

import viewer.routes
from tests.viewer.conftest import Serve
from viewer.commands import ViewConfig, view
from viewer.guard import Guard, Refusal
from viewer.opened import Opened
from viewer.routes import PAGES

SECRET = "not for the page"


def test_a_request_without_the_token_or_of_another_host_or_origin_is_refused(serve: Serve, small: Path):
    served = serve(small)
    guard, port = served.server.guard, served.server.guard.port
    own = f"/{guard.token}/api/summary"
    assert served.request(own)[0] == 200
    assert served.request(own, Host=f"localhost:{port}", Origin=f"http://localhost:{port}")[0] == 200
    for target in ("/", "/api/summary", f"/{guard.token[:-1]}/api/summary", f"/{guard.token}x/"):
        assert served.request(target)[0] == 403, target
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{port + 1}", ""):
        assert served.request(own, Host=host)[0] == 403, host
    for origin in (
        "http://evil.example",
        "null",
        f"https://127.0.0.1:{port}",
        f"http://127.0.0.1:{port + 1}",
    ):
        assert served.request(own, Origin=origin)[0] == 403, origin


def test_it_only_reads(serve: Serve, small: Path):
    served = serve(small)
    own = f"/{served.server.guard.token}/api/summary"
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        status, headers, _ = served.request(own, method)
        assert (status, headers["allow"]) == (405, "GET, HEAD"), method
    _, headers, body = served.request(own)
    status, head, nothing = served.request(own, "HEAD")
    assert (status, nothing) == (200, b"")
    assert head["content-length"] == headers["content-length"] == str(len(body))


@pytest.mark.parametrize(
    "path",
    [
        "../guard.py",
        "pages/../guard.py",
        "pages/..%2fguard.py",
        "%2e%2e/guard.py",
        "pages/%2e%2e/%2e%2e/pyproject.toml",
        "pages//etc/passwd",
        "/etc/passwd",
        "three/../../../etc/passwd",
        "three/package.json",
        "pages\\..\\guard.py",
        "pages/app.js%00.css",
        "api/store/../summary",
        "api",
        "pages/",
    ],
)
def test_no_path_leads_out_of_the_pages(serve: Serve, small: Path, path: str):
    status, _, body = serve(small).get(path)
    assert status == 404, path
    assert len(body) < 200


def test_a_target_that_names_a_host_or_a_file_is_refused(serve: Serve, small: Path):
    served = serve(small)
    token = served.server.guard.token
    for target in (f"http://evil.example/{token}/", "file:///etc/passwd", "/etc/passwd", "*"):
        assert served.request(target)[0] == 403, target


def test_ids_and_parts_are_no_paths(serve: Serve, small: Path):
    served = serve(small)
    (store,) = served.server.opened.found.stores
    for fields in (
        {"store": "../store", "part": "eval-a"},
        {"store": str(small), "part": "eval-a"},
        {"store": store, "part": "../../store/parts/eval-a"},
        {"store": store, "part": "eval-a", "modality": "../depth"},
    ):
        asked = {"modality": "rgb", "frame": 0, "size": 32} | fields
        status, _, body = served.get("api/picture", **asked)
        assert status == 404, body


def test_links_that_lead_out_are_not_followed(serve: Serve, small: Path, tmp_path: Path):
    """Of a run: its report, a house, a store, predictions and a log; all of them lie elsewhere."""
    (tmp_path / "secret").write_text(SECRET)
    run, stages = tmp_path / "run", tmp_path / "run" / "stages"
    for folder in ("store-a", "houses-a/houses", "evaluate-a", "pretrain-a"):
        (stages / folder).mkdir(parents=True)
    (run / "rows").mkdir()
    (run / "study.json").write_text(json.dumps({"study": "s", "rows": ["a.json"]}))
    row = {"arm": "a", "point": {}, "repeat": 0, "metrics": {}, "config": {}}
    (run / "rows" / "a.json").write_text(json.dumps(row | {"evaluations": {"test": "../elsewhere"}}))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "predictions.npz").write_bytes(b"")
    (run / "report.html").symlink_to(tmp_path / "secret")
    (stages / "houses-a" / "houses" / "h.json").symlink_to(tmp_path / "secret")
    (stages / "store-a" / "store").symlink_to(small)
    (stages / "pretrain-a" / "log.txt").symlink_to(tmp_path / "secret")
    (stages / "linked-a").symlink_to(tmp_path)
    served = serve(run)
    found = served.server.opened.found
    assert not found.houses
    assert not found.stores
    assert {p.name for p in found.stages.values()} == {
        f"{k} a" for k in ("store", "houses", "evaluate", "pretrain")
    }
    (study,) = found.studies
    for path, fields in (
        ("api/report", {"study": study}),
        ("api/study", {"study": study}),
        (
            "api/prediction",
            {"study": study, "row": "a.json", "evaluation": "test", "what": "rgb", "index": 0},
        ),
        ("api/curves", {}),
    ):
        _, _, body = served.get(path, **fields)
        assert SECRET.encode() not in body, path
    assert json.loads(served.get("api/study", study=study)[2])["rows"][0]["evaluations"] == {}
    assert served.get("api/report", study=study)[0] == 404


def test_stages_that_several_runs_share_are_opened(tmp_path: Path):
    (tmp_path / "shared" / "pretrain-a").mkdir(parents=True)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "stages").symlink_to(tmp_path / "shared")
    assert [p.name for p in Opened([str(tmp_path / "run")]).found.stages.values()] == ["pretrain a"]


def test_what_cannot_be_looked_at_is_said(tmp_path: Path):
    with pytest.raises(ValueError, match="holds nothing to look at"):
        Opened([str(tmp_path)])
    (tmp_path / "note.txt").touch()
    with pytest.raises(ValueError, match="is no house"):
        Opened([str(tmp_path / "note.txt")])
    with pytest.raises(FileNotFoundError):
        Opened([str(tmp_path / "absent")])
    with pytest.raises(ValueError, match="name one address"):
        view(ViewConfig(places=(str(tmp_path),), host="0.0.0.0"))


def test_the_page_may_load_itself_alone(serve: Serve, small: Path):
    status, headers, body = serve(small).get("")
    assert status == 200
    policy = headers["content-security-policy"]
    (imports,) = re.findall(rb'<script type="importmap">(.*?)</script>', body, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(imports).digest()).decode()
    assert f"script-src 'self' 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["referrer-policy"] == "no-referrer"
    for file in PAGES.iterdir():
        named = re.findall(r"https?://[^'\"\s]+|(?<![:\w])//\w[\w.]*\.\w+/", file.read_text())
        assert set(named) <= {"http://www.w3.org/2000/svg"}, file.name  # the name of SVG, not an address


def test_without_three_js_a_line_says_how_to_install_it(
    serve: Serve, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(viewer.routes, "THREE", tmp_path)
    served = serve(small)
    summary = json.loads(served.get("api/summary")[2])
    assert (summary["three"], summary["install"]) == (False, "make viewer")
    assert len(summary["stores"]) == 1, "the rest works"


def test_an_address_beside_loopback_answers_to_its_own_name_alone():
    guard = Guard("192.0.2.7", 8000, "t")
    assert guard.check("GET", "/t/", {"host": "192.0.2.7:8000"}) == ""
    assert isinstance(guard.check("GET", "/t/", {"host": "localhost:8000"}), Refusal)
    assert Guard("::1", 8000, "t").url == "http://[::1]:8000/t/"
