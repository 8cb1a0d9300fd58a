"""States of objects: lamps and televisions on or off, laptops and boxes open or closed, beds made or not."""

import numpy as np

from scenes.generate.furnish.room_space import Piece

# Of each type that has the state, the share that is in it.
ON = {"FloorLamp": 0.5, "DeskLamp": 0.5, "Television": 0.3}
OPEN = {"Laptop": 0.5, "Box": 0.5}
UNMADE = {"Bed": 0.5}


def draw_states(pieces: list[Piece], rng: np.random.Generator) -> None:
    """Set the `state` of every piece that has one, and of what lies on it, as `HouseObject` names them."""
    for piece in pieces:
        kind = piece.asset.type
        if kind in ON:
            piece.state["is_on"] = bool(rng.random() < ON[kind])
        if kind in OPEN:
            piece.state["openness"] = float(rng.random() < OPEN[kind])
        if kind in UNMADE:
            piece.state["is_dirty"] = bool(rng.random() < UNMADE[kind])
        draw_states(piece.children, rng)
        draw_states(piece.group, rng)
