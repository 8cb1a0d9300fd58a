"""What tokenizers make of frames, for a person to look at: the input, and below it each tokenizer's way back.

tst tokenizer show --store STORE --tokenizers VQ FSQ ... --out OUT.png
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64, Shaped, UInt8
from PIL import Image, ImageDraw

from engine.store.pictures import picture
from engine.store.schema import ArrayOrigin, ModalitySpec
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
    frames. Raises ValueError for a tokenizer that cannot decode, or for none at all."""
    mute = [name for name, model in tokenizers if not model.decodes]
    if mute or not tokenizers:
        raise ValueError(f"nothing to show: {', '.join(mute) or 'no tokenizer'} decodes")
    rows: list[tuple[str, str, np.ndarray]] = []
    for modality in dict.fromkeys(model.modality for _, model in tokenizers):
        truth = frames.read(ids, [modality])[modality]
        origin = frames.origin_of(modality)
        rows.append((modality, "as stored", _pictures(modality, truth, origin)))
        for name, model in tokenizers:
            if model.modality == modality:
                decoded = model.decode(model.encode(truth))
                output = None if origin is None else origin.output
                error, unit = decoding_error(modality, output, decoded, truth)
                rows.append((f"  {name}", f"  {error:.3g} {unit}", _pictures(modality, decoded, origin)))
    sheet = Image.new("RGB", (_MARGIN + len(ids) * (_TILE + _GAP), len(rows) * (_TILE + _GAP)), "white")
    draw = ImageDraw.Draw(sheet)
    for r, (name, note, pictures) in enumerate(rows):
        top = r * (_TILE + _GAP)
        for line, text in enumerate((name, *_wrapped(note))):
            draw.text((3, top + _TILE // 3 + 12 * line), text, fill="black")
        for c, pixels in enumerate(pictures):
            tile = Image.fromarray(pixels).resize((_TILE, _TILE), Image.Resampling.BILINEAR)
            sheet.paste(tile, (_MARGIN + c * (_TILE + _GAP), top))
    return sheet


def _pictures(
    modality: str, values: Shaped[np.ndarray, "b ..."], origin: ArrayOrigin | None
) -> UInt8[np.ndarray, "b h w 3"]:
    kind = "sensory" if origin is None else "pseudolabel"
    spec = ModalitySpec(modality, str(values.dtype), values.shape[1:], "", kind, origin)
    return np.stack([picture(spec, v) for v in values])


def _wrapped(text: str, width: int = 17) -> list[str]:
    """Lines of at most `width` letters, where words allow it."""
    lines = [""]
    for word in text.split(" "):
        if len(lines[-1]) + 1 + len(word) > width and lines[-1].strip():
            lines.append(" ")
        lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return lines
