"""Contact sheets: frames side by side, a row per modality.

`contact_sheet(store, 16, role="eval")` takes frames evenly over the runs of a role.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from engine.store.pictures import is_class_map, is_drawn, is_on_rgb, palette, tiles
from engine.store.schema import FrameRange, ModalitySpec, Role
from engine.store.store import Store

_TILE = 112  # pixels, of the height; the width follows the frames' own
_MARGIN = 76  # pixels, for names; more where one is longer
_LINE = 14  # pixels
_GAP = 2  # pixels
_PER_BAND = 8  # frames side by side; more continue below
_LEGEND = 140  # pixels, of a class


@dataclass(frozen=True)
class _Row:
    """A modality of the frames on a sheet."""

    spec: ModalitySpec
    tiles: dict[int, Image.Image]
    """By the frame's number on the sheet; frames may lack what others have."""
    used: frozenset[int]
    """Classes that occur, of a map of classes."""


def contact_sheet(store: Store, count: int, role: Role | None = None) -> Image.Image:
    """`count` frames of a role (None: of any), evenly over what the store has.

    Every image modality that the frames hold has a row, what was derived below the others; labels are absent
    where the role has none, and a vector of a whole image is not drawn. Raises ValueError if there are no
    frames of that role.
    """
    runs = [r for r in store.runs if role is None or r.role == role]
    if not runs or count < 1:
        raise ValueError(
            f"{store.path} has no frames of role {role!r} to show" if runs == [] else "count is 0"
        )
    picks = _evenly(runs, count)
    specs = [m for m in store.modalities if is_drawn(m)]
    height, width = next(m for m in store.facts.modalities if m.kind != "camera").shape[:2]
    across = round(_TILE * width / height)
    rows = [row for spec in specs if (row := _row(store, picks, spec, (across, _TILE)))]
    margin = max(_MARGIN, *(8 + round(_text_width(row.spec.name)) for row in rows))
    bands = [range(i, min(i + _PER_BAND, len(picks))) for i in range(0, len(picks), _PER_BAND)]
    band_height = _LINE + len(rows) * (_TILE + _GAP) + 8
    whole = margin + len(bands[0]) * (across + _GAP)
    sheet = Image.new("RGB", (whole, len(bands) * band_height), "white")
    draw = ImageDraw.Draw(sheet)
    for b, band in enumerate(bands):
        top = b * band_height
        for r, row in enumerate(rows):
            at = top + _LINE + r * (_TILE + _GAP)
            draw.text((4, at + _TILE // 2 - 6), row.spec.name, fill="black")
            for c, frame in enumerate(band):
                if frame in row.tiles:
                    sheet.paste(row.tiles[frame], (margin + c * (across + _GAP), at))
        for c, frame in enumerate(band):
            draw.text((margin + c * (across + _GAP), top), picks[frame][0].space[-18:], fill="black")
    return _with_legends(sheet, store, rows)


def _row(
    store: Store, picks: Sequence[tuple[FrameRange, int]], spec: ModalitySpec, size: tuple[int, int]
) -> _Row | None:
    """A modality of the frames that have it; None where none has."""
    wanted = [spec.name, "rgb"] if is_on_rgb(spec) else [spec.name]
    read: dict[int, dict[str, np.ndarray]] = {}
    for number, (run, frame) in enumerate(picks):
        held = {m.name for d in (store.part(run.part), *store.derived(run.part)) for m in d.modalities}
        if spec.name in held:
            read[number] = store.read(run.part, frame, 1, wanted)
    if not read:
        return None
    values = {m: np.concatenate([one[m] for one in read.values()]) for m in wanted}
    drawn = tiles(spec, values[spec.name], size, values.get("rgb"))
    used = frozenset(np.unique(values[spec.name]).tolist()) - {0} if is_class_map(spec) else frozenset()
    return _Row(spec, dict(zip(read, drawn, strict=True)), used)


def _evenly(runs: list[FrameRange], count: int) -> list[tuple[FrameRange, int]]:
    """Runs and frames in their parts, evenly over all frames, each once."""
    ends = np.cumsum([r.count for r in runs])
    total = int(ends[-1])
    wanted = np.unique((np.arange(min(count, total)) + 0.5) * total / min(count, total)).astype(int)
    found = []
    for index in wanted.tolist():
        run = int(np.searchsorted(ends, index, side="right"))
        found.append((runs[run], runs[run].start + index - (int(ends[run - 1]) if run else 0)))
    return found


def _text_width(text: str) -> float:
    """Of a line in the sheet's font [pixels]."""
    return ImageDraw.Draw(Image.new("RGB", (1, 1))).textlength(text)


def _with_legends(sheet: Image.Image, store: Store, rows: Sequence[_Row]) -> Image.Image:
    """The sheet with the names of the classes that occur in each map of classes below it."""
    labels = {row["id"]: row["name"] for row in store.labels}
    for row in rows:
        origin = row.spec.origin
        names = (
            dict(enumerate(origin.classes, 1)) if origin else labels if row.spec.name == "semantic" else {}
        )
        entries = [(number, names[number]) for number in sorted(row.used & set(names))]
        sheet = _with_legend(sheet, row.spec.name if origin else "", entries)
    return sheet


def _with_legend(sheet: Image.Image, title: str, names: Sequence[tuple[int, str]]) -> Image.Image:
    """The sheet with a line of `title`, where there is one, and the names of classes below it."""
    if not names:
        return sheet
    columns = max(1, sheet.width // _LEGEND)
    first = sheet.height + _LINE * bool(title)
    lines = -(-len(names) // columns)
    whole = Image.new("RGB", (sheet.width, first + lines * _LINE + 6), "white")
    whole.paste(sheet, (0, 0))
    draw = ImageDraw.Draw(whole)
    draw.text((4, sheet.height), title, fill="black")
    colours = palette()
    for i, (label, name) in enumerate(names):
        x, y = 4 + (i % columns) * _LEGEND, first + (i // columns) * _LINE
        draw.rectangle((x, y + 2, x + 10, y + 12), fill=tuple(colours[label % 256].tolist()))
        draw.text((x + 14, y), name[:20], fill="black")
    return whole
