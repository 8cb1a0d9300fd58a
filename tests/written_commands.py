"""The `tst` commands that documents, docstrings, comments and scripts show, as arguments to parse."""

import ast
import io
import re
import shlex
import tokenize
from dataclasses import dataclass
from pathlib import Path

import tst

# A line that is a command: alone, in a comment, or behind what starts Python.
_LINE = re.compile(r"^[\s#]*(?:.*\bpython tst\.py|(?:\$\(BIN\)/|.*\.venv/bin/)?tst) (.+)$", re.MULTILINE)
_SPAN = re.compile(r"`tst\s+([^`]+)`")
_MENTION = re.compile(r"\btst ((?:[a-z]+)(?: [a-z]+)?)")
_ENDS = re.compile(r"\s{2,}|\s#|[';|>]|&&")


@dataclass(frozen=True)
class Written:
    """A command that a file shows, `partial` where required fields may be missing (mentions and `...`)."""

    text: str
    name: str
    args: tuple[str, ...]
    partial: bool


def readable(path: Path) -> str:
    """What a person reads in a file; of Python its strings (X for what is filled in) and comments."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return text
    comments = [
        t.string for t in tokenize.generate_tokens(io.StringIO(text).readline) if t.type == tokenize.COMMENT
    ]
    tree = ast.parse(text)
    inner = {id(v) for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) for v in n.values}
    strings = [_string(node) for node in ast.walk(tree) if id(node) not in inner]
    return "\n\n".join([*(s for s in strings if s), *comments])


def _string(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(v.value) if isinstance(v, ast.Constant) else "X" for v in node.values)
    return ""


def commands(text: str) -> list[Written]:
    """Every command of `text`: lines that are one, and what stands between backticks."""
    joined = re.sub(r"\s*\\\n\s*#?\s*", " ", text)
    whole = [_written(m.group(1), partial=False) for m in _LINE.finditer(joined)]
    return whole + [
        one for m in _SPAN.finditer(joined) for one in _alternatives(re.sub(r"[\s#]+", " ", m[1]))
    ]


def mentions(text: str) -> list[str]:
    """The words after every `tst`: one or two, the beginning of what should be a command."""
    return _MENTION.findall(text)


def _alternatives(span: str) -> list[Written]:
    """`houses check | stats` names two commands; the words before the last are of all."""
    first, *others = span.split(" | ")
    written = [_written(first, partial=True)]
    room = written[0].name.rsplit(" ", 1)[0]
    return written + [_written(f"{room} {other}", partial=True) for other in others]


def _written(text: str, partial: bool) -> Written:
    shown = _ENDS.split(text.strip())[0]
    words = shlex.split(shown)
    name = next((n for n in (" ".join(words[:2]), words[0]) if n in tst.COMMANDS), "")
    args = [w for w in words[len(name.split()) :] if w != "..."]
    return Written(f"tst {shown}", name, tuple(args), partial or "..." in words)
