"""What tokenizers make of frames, for a person to look at: the input, and below it each tokenizer's way back.

tst tokenizer show --store STORE --tokenizers VQ FSQ ... --out OUT.png
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64, Shaped, UInt8
from PIL import Image, ImageDraw

from engine.store.pictures import tiles
from engine.store.schema import OF_WHOLE_IMAGES, ArrayOrigin, ModalitySpec
from engine.stream.order import View
from training.tokenizers.decoding import decoding_error
from training.tokenizers.image_tokenizer import ImageTokenizer

_TILE = 96  # pixels
_GAP = 2  # pixels
_MARGIN = 110  # pixels, for names


def compare(
    frames: View,
    ids: Int64[np.ndarray, " n"],
    tokenizers: Sequence[tuple[str, ImageTokenizer]],
) -> Image.Image:
    """A row of inputs for each modality, and one for each (name, tokenizer) of it, with its error on these
    frames. Feature maps, which tokenizers keep the directions of, are drawn by the principal components of
    directions over all rows. Raises ValueError for a tokenizer that cannot decode, for one of vectors or
    text, which have no picture, or for none at all."""
    mute = [name for name, model in tokenizers if not model.decodes]
    if mute or not tokenizers:
        raise ValueError(f"nothing to show: {', '.join(mute) or 'no tokenizer'} decodes")
    rows: list[tuple[str, str, list[Image.Image]]] = []
    for modality in dict.fromkeys(model.modality for _, model in tokenizers):
        truth = frames.read(ids, [modality])[modality]
        origin = frames.origin_of(modality)
        named, values = [(modality, "as stored")], [truth]
        for name, model in tokenizers:
            if model.modality == modality:
                values.append(model.decode(model.encode(truth)))
                output = None if origin is None else origin.output
                error, unit = decoding_error(modality, output, values[-1], truth)
                named.append((f"  {name}", f"  {error:.3g} {unit}"))
        rgb = frames.read(ids, ["rgb"])["rgb"]
        drawn = _drawn(modality, values, origin, rgb)
        rows += [(*words, row) for words, row in zip(named, drawn, strict=True)]
    sheet = Image.new("RGB", (_MARGIN + len(ids) * (_TILE + _GAP), len(rows) * (_TILE + _GAP)), "white")
    draw = ImageDraw.Draw(sheet)
    for r, (name, note, pictures) in enumerate(rows):
        top = r * (_TILE + _GAP)
        for line, text in enumerate((name, *_wrapped(note))):
            draw.text((3, top + _TILE // 3 + 12 * line), text, fill="black")
        for c, tile in enumerate(pictures):
            sheet.paste(tile, (_MARGIN + c * (_TILE + _GAP), top))
    return sheet


def _drawn(
    modality: str,
    rows: Sequence[Shaped[np.ndarray, "b ..."]],
    origin: ArrayOrigin | None,
    rgb: UInt8[np.ndarray, "b h w 3"],
) -> list[list[Image.Image]]:
    """The pictures of rows of the same frames, in colours that mean the same in all."""
    output = None if origin is None else origin.output
    if output in OF_WHOLE_IMAGES:
        raise ValueError(f"{modality} is one {output} a frame: leave it out, there is nothing to draw")
    values = np.concatenate(rows)
    if output == "features":
        values = values.astype(np.float32)
        values /= np.maximum(np.linalg.norm(values, axis=-1, keepdims=True), 1e-6)
    kind = "sensory" if origin is None else "pseudolabel"
    spec = ModalitySpec(modality, str(values.dtype), values.shape[1:], "", kind, origin)
    drawn = tiles(spec, values, (_TILE, _TILE), np.tile(rgb, (len(rows), 1, 1, 1)))
    return [drawn[i : i + len(rgb)] for i in range(0, len(drawn), len(rgb))]


def _wrapped(text: str, width: int = 17) -> list[str]:
    """Lines of at most `width` letters, where words allow it."""
    lines = [""]
    for word in text.split(" "):
        if len(lines[-1]) + 1 + len(word) > width and lines[-1].strip():
            lines.append(" ")
        lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return lines
