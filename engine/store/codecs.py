"""Layout and encoding of arrays: Zarr v3, sharded along the frame axis, a checksum in every chunk.

Zarr readers return zeros for a missing chunk and, without checksums, wrong pixels for a flipped bit. So every
chunk is written, even if all zeros, and every codec chain ends in a checksum: zstd's own, or crc32c where the
codec (blosc) has none. Zarr's shard index has a crc32c by default.
"""

from pathlib import Path
from typing import Any

import numpy as np
import tensorstore as ts
import zarr
from jaxtyping import Shaped
from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec

from engine.store.schema import ModalitySpec

# Measured on rendered rooms: higher zstd levels gain a few per cent of size and cost the decoder nothing,
# but the encoder several times its time.
_ZSTD_LEVEL = 3


def compressors(spec: ModalitySpec) -> list[Any]:
    """The bytes-to-bytes codecs of a modality, as zarr-python's codec objects.

    Depth varies smoothly, so its high and low bytes compress better apart (byte shuffle); edges are
    0 or 255, eight pixels to a byte once bits are regrouped (bit shuffle). The rest is plain zstd.
    """
    if spec.name == "depth" and np.dtype(spec.dtype).itemsize > 1:
        size = np.dtype(spec.dtype).itemsize
        return [BloscCodec(cname="zstd", clevel=_ZSTD_LEVEL, shuffle="shuffle", typesize=size), Crc32cCodec()]
    if spec.name == "edges":
        return [BloscCodec(cname="zstd", clevel=_ZSTD_LEVEL, shuffle="bitshuffle", typesize=1), Crc32cCodec()]
    return [ZstdCodec(level=_ZSTD_LEVEL, checksum=True)]


def create_root(path: Path, attributes: dict[str, Any]) -> None:
    """An empty hierarchy at `path`: a root group with `attributes`, and the group that parts go into."""
    root = zarr.open_group(str(path), mode="w-", zarr_format=3, attributes=attributes)
    root.create_group("parts")


def write_arrays(
    group_path: Path,
    arrays: dict[str, Shaped[np.ndarray, "frames ..."]],
    specs: dict[str, ModalitySpec],
    chunk_frames: int,
) -> None:
    """Writes a group with one array per modality, each in one shard of `chunk_frames`-long chunks."""
    group = zarr.open_group(str(group_path), mode="w", zarr_format=3)
    for name, values in arrays.items():
        spec = specs[name]
        count = len(values)
        shard = -(-count // chunk_frames) * chunk_frames
        array = group.create_array(
            name,
            shape=(count, *spec.shape),
            dtype=np.dtype(spec.dtype),
            chunks=(chunk_frames, *spec.shape),
            shards=(shard, *spec.shape),
            compressors=compressors(spec),
            fill_value=0,
            config={"write_empty_chunks": True},
            attributes={"unit": spec.unit, "kind": spec.kind},
        )
        array[:] = values


def open_array(path: Path) -> Any:
    """The array at `path` as a tensorstore, for reading; a missing chunk is an error, not zeros."""
    spec = {
        "driver": "zarr3",
        "kvstore": {"driver": "file", "path": str(path.resolve())},
        "fill_missing_data_reads": False,
    }
    return ts.open(spec, open=True, read=True).result()
