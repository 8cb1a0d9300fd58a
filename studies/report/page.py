"""Elements of a self-contained HTML page, which loads nothing from elsewhere."""

import base64
import html
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from engine.store.manifest import write_atomically

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:1080px;margin:2em auto;padding:0 1em;color:#222}
h1{margin-bottom:0}h2{margin-top:2em;border-bottom:1px solid #ddd}img{max-width:100%;height:auto}
.wide{overflow-x:auto}table{border-collapse:collapse;margin:1em 0}
td,th{border:1px solid #ddd;padding:.25em .6em;text-align:right;vertical-align:top}
td:first-child,th:first-child{text-align:left}th{background:#f6f6f6}.q{color:#444;font-size:1.15em}
pre{background:#f6f6f6;padding:1em;overflow:auto;font-size:12px}.note{color:#666}
.paper{border-left:4px solid #b9a26a;padding-left:1em;background:#fbf8f0}
.claim td:last-child{font-weight:600}.text td,.text th{text-align:left}
.together{white-space:nowrap}summary{cursor:pointer;margin:.5em 0}
.key{display:inline-block;width:.9em;height:.9em;margin:0 .3em 0 .9em;vertical-align:-.1em}
"""

_NUMBER = re.compile(r"[^\w\s]?\d")
"""How a cell of numbers begins: a sign or a bracket, a digit."""
_LEFT = 12
"""Columns of a table that may be flush left."""
_STYLE += ",".join(f".left{i} :is(td,th):nth-child({i})" for i in range(1, _LEFT + 1)) + "{text-align:left}"


def write_page(path: Path, title: str, sections: Iterable[str]) -> Path:
    """Write the sections, which are HTML already, as one page."""
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body>{''.join(sections)}"
        "</body></html>\n"
    )
    write_atomically(path, page.encode())
    return path


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text; `kind`: its CSS class."""
    attribute = f' class="{kind}"' if kind else ""
    return f"<p{attribute}>{html.escape(text)}</p>"


def bullets(lines: Iterable[str]) -> str:
    """A list of plain texts; nothing where there are none."""
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def heading(text: str, level: int = 2) -> str:
    """A heading of plain text, h1 to h6."""
    return f"<h{level}>{html.escape(text)}</h{level}>"


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], kinds: Sequence[str] = (), kind: str = ""
) -> str:
    """A table of plain texts; `kinds` names a class for each row, `kind` one for the table. Columns of words,
    without a number, are flush left."""
    lines = list(rows)
    classes = list(kinds) or [""] * len(lines)
    words = [not any(map(_NUMBER.match, column)) for column in zip(*lines, strict=True)]
    table_classes = [kind] * bool(kind) + [f"left{i}" for i, left in enumerate(words[:_LEFT], 1) if left]
    body = "".join(
        f"<tr{f' class={c}' if c else ''}>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>"
        for row, c in zip(lines, classes, strict=True)
    )
    heads = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    attribute = f' class="{" ".join(table_classes)}"' if table_classes else ""
    return f'<div class="wide"><table{attribute}><tr>{heads}</tr>{body}</table></div>'


def image(data: bytes, width: int | None = None, alt: str = "") -> str:
    """A PNG or JPEG inside the page."""
    size = f' width="{width}"' if width else ""
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    encoded = base64.b64encode(data).decode()
    return f'<p><img{size} alt="{html.escape(alt)}" src="data:image/{kind};base64,{encoded}"></p>'


def folded(summary: str, content: str) -> str:
    """Content that opens on a click; it is HTML already."""
    return f"<details><summary>{html.escape(summary)}</summary>{content}</details>"


def preformatted(text: str) -> str:
    """Plain text, its lines as they are."""
    return f"<pre>{html.escape(text)}</pre>"
