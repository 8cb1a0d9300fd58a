"""A mesh with ScanNet++'s annotation, written as the data set has it."""

import json
from pathlib import Path

import trimesh


def write_scannetpp(
    folder: Path, mesh: trimesh.Trimesh, segments: list[int], groups: list[tuple[int, str, list[int]]]
) -> Path:
    """`segments` of vertices; `groups` of object id, label and segments. Returns the scene's folder."""
    scans = folder / "scans"
    scans.mkdir(parents=True)
    mesh.export(scans / "mesh_aligned_0.05.ply")
    (scans / "segments.json").write_text(json.dumps({"sceneId": folder.name, "segIndices": segments}))
    listed = [
        {"id": k, "objectId": number, "label": label, "segments": members, "partId": k}
        for k, (number, label, members) in enumerate(groups)
    ]
    (scans / "segments_anno.json").write_text(json.dumps({"sceneId": folder.name, "segGroups": listed}))
    return folder
