"""Summary of a store in numbers: `tst store info`."""

from dataclasses import asdict
from typing import Any

from engine.store.schema import ROLES
from engine.store.store import Store


def contents(store: Store) -> dict[str, Any]:
    """Counts of parts, frames, spaces and labels, and sizes in bytes on disk, as JSON's types."""
    derived = [d for part in store.parts for d in store.derived(part.part)]
    manifests = [*store.parts, *derived]
    sizes: dict[str, int] = {}
    for manifest in manifests:
        for name, facts in manifest.files.items():
            head = name.split("/")[0]
            sizes[head] = sizes.get(head, 0) + facts.size
    return {
        "path": store.place,
        "format": store.facts.format,
        "parts": len(store.parts),
        "derived": len(derived),
        "frames": {role: sum(p.frames for p in store.parts if p.role == role) for role in ROLES},
        "spaces": {role: len({r.space for r in store.runs if r.role == role}) for role in ROLES},
        "external_access": sorted(
            {s.external_access for s in store.spaces}
            | {m.origin.external_access for m in store.modalities if m.origin}
        ),
        "labels": len(store.labels),
        "modalities": [
            {
                "name": m.name,
                "kind": m.kind,
                "dtype": m.dtype,
                "shape": list(m.shape),
                "unit": m.unit,
                "bytes": sizes.get(m.name, 0),
                "origin": asdict(m.origin) if m.origin else None,
            }
            for m in store.modalities
        ],
        "files": sum(len(m.files) + 1 for m in manifests),
        "bytes": sum(m.bytes for m in manifests),
    }
