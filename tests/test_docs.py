"""What documents, docstrings and comments show is there: commands parse, paths and links exist."""

import re
import subprocess
import types
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import tyro
from pydantic import BaseModel

import tst
from scenes.config import current_flags
from studies.commands import find_study
from studies.spec.config import load_study
from tests.written_commands import Written, commands, mentions, readable

ROOT = Path(__file__).parent.parent
ROOMS = ("scenes", "agents", "engine", "training", "studies", "viewer")
TRACKED = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split("\n")
TEXTS = {
    path: readable(ROOT / path)
    for path in TRACKED
    if (path.endswith((".md", ".py", ".yaml", ".toml", ".sh")) or path in ("Makefile", ".ci/run"))
    and not path.startswith("tests/")
    and (ROOT / path).exists()
}
PAGES = [path for path in TEXTS if path.endswith(".md")]


@pytest.mark.parametrize("path", [p for p in TEXTS if mentions(TEXTS[p])])
def test_every_command_that_a_file_shows_is_one(path: str):
    unknown = [words for words in mentions(TEXTS[path]) if not begins_a_command(words)]
    assert not unknown, f"{path}: there is no command tst {unknown[0]}"
    faults = [fault for written in commands(TEXTS[path]) if (fault := fault_of(written))]
    assert not faults, f"{path}:\n" + "\n".join(faults)


def test_every_path_that_a_file_names_is_there():
    pattern = re.compile(rf"(?<![\w/.-])(?:{'|'.join(ROOMS)}|tests|docs)/[\w./*-]*\w")
    named = {(path, name) for path, text in TEXTS.items() for name in pattern.findall(text)}
    missing = [f"{p}: {n}" for p, n in named if "node_modules" not in n and not any(ROOT.glob(n))]
    assert not missing, "files name what is not there:\n" + "\n".join(sorted(missing))


@pytest.mark.parametrize("path", PAGES)
def test_every_link_of_a_page_leads_somewhere(path: str):
    for link in links(path):
        target, _, anchor = link.partition("#")
        page = (ROOT / path).parent / target if target else ROOT / path
        assert page.exists(), f"{path} links to {link}"
        assert not anchor or anchor in anchors(page), f"{path} links to {link}, which has no such heading"


def test_every_file_and_name_of_python_between_backticks_is_there():
    files = {Path(name).name for name in TRACKED}
    for path, text in TEXTS.items():
        spans = re.findall(r"`([^`\n]+)`", text)
        lost = [s for s in spans if re.fullmatch(r"[\w-]+\.(py|sh)", s) and s not in files]
        lost += [s for s in spans if re.fullmatch(rf"({'|'.join(ROOMS)})(\.\w+)+", s) and not defined(s)]
        assert not lost, f"{path} names what is not there: {lost}"


def test_readme_leads_to_every_page():
    assert len(PAGES) > 10, "git ls-files lists the pages"
    seen, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        targets = [link.partition("#")[0] for link in links(str(page.relative_to(ROOT)))]
        todo += [(page.parent / target).resolve() for target in targets if target]
    assert {ROOT / path for path in PAGES if path.startswith("docs/")} <= seen


def test_what_is_planted_is_found():
    """Each kind of fault that these tests are for, in a text of its own."""
    bad = "`tst store verfy S`, `tst collect --simulater S`\n\ntst tokenize --store S --tokenizer OUT\n"
    assert not begins_a_command("store verfy")
    assert all(fault_of(written) for written in commands(bad + "tst demo --preset none\n"))
    assert len(commands(bad)) == 3
    old = commands("`tst pretrain --pretrain.crops.count 9`")
    assert "now --pretrain.mm.crops.count 9" in fault_of(old[0])
    good = (
        "`tst houses check | stats`, `tst collect --simulator N`\n\n tst houses show HOUSE --out PNG  # a\n"
    )
    names = ["houses show", "houses check", "houses stats", "collect"]
    assert [(w.name, fault_of(w)) for w in commands(good)] == [(name, "") for name in names]
    assert not defined("training.pretrain.masking.no_such_name")
    assert defined("training.tokenizers.feature_codebook.fit_features")


def begins_a_command(words: str) -> bool:
    """Whether `words` begin with a command or are a part of one (`houses`)."""
    first = words.split()[0]
    return words in tst.COMMANDS or first in tst.COMMANDS or (words == first and is_group(first))


def is_group(word: str) -> bool:
    return any(name.startswith(word + " ") for name in tst.COMMANDS)


def fault_of(written: Written) -> str:
    """What the command line says against a command; nothing where it takes it, or where it names a group."""
    if not written.name:
        _, first, *rest = written.text.split()
        known = first in ("--help", "VERB") or (is_group(first) and not rest)
        return "" if known else f"{written.text}: no such command"
    _, config_type = tst.find_command(written.name)
    args, partial = list(written.args), written.partial
    if args and args[0].endswith(".yaml") and "(CONFIG.yaml)" in tst.COMMANDS[written.name][1]:
        known = (ROOT / args[0]).exists()
        partial, args = partial or not known, args if known else args[1:]
    kept = without_placeholders(config_type, args)
    if current_flags(config_type, kept) != kept:
        return (
            f"{written.text}: a flag of the release before; now {' '.join(current_flags(config_type, kept))}"
        )
    try:
        if partial and not (kept and kept[0].endswith(".yaml")):
            config = tyro.cli(config_type, args=kept, default=filled(config_type))
        else:
            _, config = tst.parse_command(written.name, kept)
        check_study(written.name, config)
    except (SystemExit, ValueError) as error:
        return f"{written.text}: {error}"
    return ""


def check_study(name: str, config: Any) -> None:
    """A study that comes along has the preset and the places that the command names."""
    path = find_study(Path(config.study)) if name == "study run" else Path("studies/library/demo.yaml")
    if name in ("study run", "demo") and (ROOT / path).exists():
        load_study(ROOT / path, config.preset, config.seeds)


def without_placeholders(config: type[BaseModel], args: list[str]) -> list[str]:
    """`args` with 1 where a capital word stands for a number, without options whose value is only a name."""
    out, left = [], list(args)
    while left:
        word = left.pop(0)
        field = config.model_fields.get(word[2:].replace("-", "_")) if word.startswith("--") else None
        if field and not left and field.annotation is not bool:
            continue  # the option alone is named
        if field and left and re.fullmatch(r"[A-Z]+|\$\w+", left[0]):
            if field.annotation in (int, float):
                left[0] = "1"
            elif not field.is_required() or get_origin(field.annotation) is Literal:
                left.pop(0)
                continue
        out.append(word)
    return out


def filled(config: type[BaseModel]) -> BaseModel:
    """A configuration whose required fields hold something of their type."""
    required = {name: field for name, field in config.model_fields.items() if field.is_required()}
    return config.model_construct(**{name: something(f.annotation) for name, f in required.items()})


def something(annotation: Any) -> Any:
    """A value of the type `annotation`."""
    origin = get_origin(annotation)
    if origin is Literal:
        return get_args(annotation)[0]
    if origin in (list, tuple):
        return origin([something(get_args(annotation)[0])])
    if origin is types.UnionType:
        return something(get_args(annotation)[0])
    return annotation(1 if annotation in (int, float) else "x")


def links(path: str) -> list[str]:
    """Links and pictures of a page that lead into the repository."""
    targets = re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", TEXTS[path])
    return [a or b for a, b in targets if not re.match(r"\w+:", a or b)]


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", h)).lower().replace(" ", "-")
        for h in heads
    }


def defined(dotted: str) -> bool:
    """Whether a dotted name is a package, a module, or something that a module defines at its top."""
    parts = dotted.split(".")
    for depth in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:depth])
        if place.is_dir():
            return depth == len(parts)
        if place.with_suffix(".py").exists():
            names = parts[depth:]
            text = place.with_suffix(".py").read_text(encoding="utf-8")
            return not names or bool(re.search(rf"^(?:def |class |){names[0]}\b", text, re.MULTILINE))
    return False
