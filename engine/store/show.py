"""Contact sheets: frames side by side, a row per modality.

`contact_sheet(store, 16, role="eval")` takes frames evenly over the runs of a role.
"""

import colorsys

import matplotlib
import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image, ImageDraw

from engine.store.schema import FrameRange, ModalitySpec, Role
from engine.store.store import Store

_TILE = 112  # pixels, of the height; the width follows the frames' own
_MARGIN = 76  # pixels, for names
_LINE = 14  # pixels
_PER_BAND = 8  # frames side by side; more continue below


def contact_sheet(store: Store, count: int, role: Role | None = None) -> Image.Image:
    """`count` frames of a role (None: of any), evenly over what the store has.

    Every image modality that the frames hold has a row; labels are absent where the role has none. Raises
    ValueError if there are no frames of that role.
    """
    runs = [r for r in store.runs if role is None or r.role == role]
    if not runs or count < 1:
        raise ValueError(
            f"{store.path} has no frames of role {role!r} to show" if runs == [] else "count is 0"
        )
    picks = _evenly(runs, count)
    held = {m.name for run, _ in picks for m in store.part(run.part).modalities}
    rows = [m for m in store.facts.modalities if m.name in held and m.kind != "camera"]
    bands = [picks[i : i + _PER_BAND] for i in range(0, len(picks), _PER_BAND)]
    height, width = rows[0].shape[:2]
    across = round(_TILE * width / height)
    band_height = _LINE + len(rows) * (_TILE + 2) + 8
    used: set[int] = set()
    whole = _MARGIN + min(len(picks), _PER_BAND) * (across + 2)
    sheet = Image.new("RGB", (whole, len(bands) * band_height), "white")
    draw = ImageDraw.Draw(sheet)
    for b, band in enumerate(bands):
        top = b * band_height
        for r, spec in enumerate(rows):
            draw.text((4, top + _LINE + r * (_TILE + 2) + _TILE // 2 - 6), spec.name, fill="black")
        for c, (run, frame) in enumerate(band):
            left = _MARGIN + c * (across + 2)
            draw.text((left, top), run.space[-18:], fill="black")
            here = {m.name for m in store.part(run.part).modalities}
            values = store.read(run.part, frame, 1, [m.name for m in rows if m.name in here])
            for r, spec in enumerate(rows):
                if spec.name not in values:
                    continue
                value = values[spec.name][0]
                if spec.name == "semantic":
                    used |= set(np.unique(value).tolist())
                tile = Image.fromarray(picture(spec, value)).resize((across, _TILE), _filter(spec))
                sheet.paste(tile, (left, top + _LINE + r * (_TILE + 2)))
    return _with_legend(sheet, store, used)


def picture(spec: ModalitySpec, value: Shaped[np.ndarray, "h w *c"]) -> UInt8[np.ndarray, "h w 3"]:
    """A frame's modality as an sRGB image."""
    if spec.kind == "label":
        return palette()[value.astype(np.int64) % 256]
    if spec.name == "depth":
        metres = value.astype(np.float32) / 1000
        # Near is bright. An eighth of a metre and eight metres are the ends, on a logarithmic scale.
        nearness = 1 - (np.log2(np.clip(metres, 1 / 8, 8)) + 3) / 6
        colours = matplotlib.colormaps["viridis"](nearness)[..., :3]
        return np.where((value == 0)[..., None], 0, colours * 255).astype(np.uint8)
    if value.ndim == 2:
        return np.repeat(value[..., None], 3, axis=2)
    return value


def _filter(spec: ModalitySpec) -> Image.Resampling:
    return Image.Resampling.NEAREST if spec.kind == "label" else Image.Resampling.BILINEAR


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


def palette() -> UInt8[np.ndarray, "256 3"]:
    """256 sRGB colours: 0 is black, neighbours differ by the golden angle of hue."""
    colours = [(0.0, 0.0, 0.0)]
    for i in range(1, 256):
        colours.append(
            colorsys.hsv_to_rgb((i * 0.61803398875) % 1, (0.45, 0.75, 0.95)[i % 3], (0.95, 0.7)[i % 2])
        )
    return (np.asarray(colours) * 255).astype(np.uint8)


def _with_legend(sheet: Image.Image, store: Store, used: set[int]) -> Image.Image:
    """The sheet with the names of the classes that occur below it."""
    names = [(row["id"], row["name"]) for row in store.labels if row["id"] in used and row["id"]]
    if not names:
        return sheet
    columns = max(1, sheet.width // 140)
    lines = -(-len(names) // columns)
    whole = Image.new("RGB", (sheet.width, sheet.height + lines * _LINE + 6), "white")
    whole.paste(sheet, (0, 0))
    draw = ImageDraw.Draw(whole)
    colours = palette()
    for i, (label, name) in enumerate(names):
        x, y = 4 + (i % columns) * 140, sheet.height + (i // columns) * _LINE
        draw.rectangle((x, y + 2, x + 10, y + 12), fill=tuple(colours[label].tolist()))
        draw.text((x + 14, y), name[:20], fill="black")
    return whole
