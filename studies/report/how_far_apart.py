"""How far evaluated frames are from learned ones: a line for each evaluated set of houses, on every page."""

from studies.report.analysis.rows import Table

_LEAST = "least_distance_to_learned_m"


def how_far_apart(data: Table) -> list[str]:
    """The least distances over all rows, in sentences; none where no row has learned in a house of its
    evaluation."""
    least: dict[str, dict[str, float]] = {}
    for row in data.rows:
        for name, value in row["metrics"].items():
            place, _, metric = name.rpartition("/")
            if isinstance(value, int | float) and f"{place}/{_LEAST}" in row["metrics"]:
                found = least.setdefault(place.partition("/")[0], {})
                found[metric] = min(value, found.get(metric, value))
    return [_sentence(place, found) for place, found in least.items()]


def _sentence(place: str, found: dict[str, float]) -> str:
    distance = f"{found[_LEAST]:.3f} m"
    if "apart_m" not in found:
        return f"Least distance in {place} of an evaluated camera to a learned one: {distance}."
    times = found.get("least_seconds_to_learned")
    alike = found.get("least_distance_looking_alike_m")
    return (
        f"Frames of {place} were held out of a capture: none is within {found['apart_m']:g} m and "
        f"{found['apart_degrees']:g} degrees, or {found['apart_seconds']:g} s, of a learned one. "
        f"Least distance of an evaluated camera to a learned one that looks alike: "
        f"{'none does' if alike is None else f'{alike:.3f} m'}, to any: {distance}; of times: "
        f"{'not known' if times is None else f'{times:.2f} s'}. Frames between the two, dropped: "
        f"{found['frames_between']:.0f}."
    )
