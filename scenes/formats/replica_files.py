"""Where the files of a Replica scene lie in its folder."""

from pathlib import Path

MESH, SEMANTIC, INFO = Path("mesh.ply"), Path("habitat/mesh_semantic.ply"), Path("habitat/info_semantic.json")


def is_replica(path: Path) -> bool:
    """Whether a folder looks like a scene of Replica's, whole or not."""
    return path.is_dir() and any((path / name).is_file() for name in (MESH, SEMANTIC, INFO))


def replica_files(folder: Path) -> list[Path]:
    """The files that a scene is read from. Raises ValueError naming those that are missing."""
    missing = [str(name) for name in (SEMANTIC, INFO) if not (folder / name).is_file()]
    if missing:
        raise ValueError(
            f"{folder} is no whole Replica scene: {' and '.join(missing)} missing "
            "(Replica's download.sh unpacks them; `tst houses export --out FOLDER` writes them for a house)"
        )
    return [folder / name for name in (MESH, SEMANTIC, INFO) if (folder / name).is_file()]
