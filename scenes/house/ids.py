"""The structure of ProcTHOR's ids: "room|piece", "room|piece|member" of a group, "small|room|child"."""


def room_number(object_id: str) -> str:
    """The number of the room that an object's id names, as in "room|4"; empty where it names none."""
    parts = object_id.split("|")
    number = parts[1] if parts[0] == "small" and len(parts) > 1 else parts[0]
    return number if number.isdecimal() else ""
