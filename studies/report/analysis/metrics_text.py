"""Names, units and digits of metrics, for text and tables."""

from studies.report.analysis.statistics import Interval, Summary

_NAMES = {
    "miou": "mIoU",
    "miou_truth": "mIoU over true classes",
    "miou_supported": "mIoU, classes with support",
    "mean_accuracy": "mean accuracy",
    "pixel_accuracy": "pixel accuracy",
    "map": "mAP",
    "ap50": "AP50",
    "ap75": "AP75",
    "ap_small": "AP of small objects",
    "ap_medium": "AP of medium objects",
    "ap_large": "AP of large objects",
    "ar": "average recall",
    "mask_map": "mAP of masks",
    "mask_ap50": "AP50 of masks",
    "mask_ap75": "AP75 of masks",
    "bleu4": "BLEU-4",
    "tuple_f1": "F1 of tuples",
    "true_claims": "claims that are true",
    "spice": "SPICE",
    "accuracy": "accuracy",
    "r1": "R@1",
    "r5": "R@5",
    "r10": "R@10",
}
_HUNDREDFOLD = {
    "cider": "CIDEr",
    "cider_of_a_reference": "CIDEr of a reference",
    "cider_of_another": "CIDEr of another frame's caption",
}
"""As papers print it."""
OF_CLASS = {"iou": "IoU", "ap": "AP", "mask_ap": "AP of masks"}
"""Metrics of single classes, which stand in rows as `KIND/CLASS`."""


def class_metric(metric: str) -> tuple[str, str, str] | None:
    """`test/linear/iou/wall` -> ("test/linear", "iou", "wall"); None for a metric of no single class."""
    for kind in OF_CLASS:
        place, found, name = f"/{metric}".partition(f"/{kind}/")
        if found:
            return place.strip("/"), kind, name
    return None


def chance_of(metric: str) -> str | None:
    """The metric that is chance for this one, in the same row: `test/retrieval/rgb_to_depth/tokens/r1` ->
    `test/retrieval/chance/r1`; None where rows have none, and for chance itself."""
    place, _, name = metric.rpartition("/")
    if name == "cider":
        return f"{place}/cider_of_another".lstrip("/")
    parts = place.split("/")
    return f"{'/'.join(parts[:-2])}/chance/{name}" if parts[-3:-2] == ["retrieval"] else None


def is_chance(metric: str) -> bool:
    """Whether the metric is chance for others."""
    return metric.rpartition("/")[2] == "cider_of_another" or metric.split("/")[-3:-1] == [
        "retrieval",
        "chance",
    ]


def scale(metric: str) -> tuple[float, str]:
    """What to multiply by to show it, and the unit then: shares in per cent, CIDEr a
    hundredfold, all else as it is."""
    name = metric.rpartition("/")[2]
    if name in _HUNDREDFOLD:
        return 100.0, "×100"
    return (100.0, "%") if name in _NAMES or class_metric(metric) else (1.0, "")


def label(metric: str, where: bool = True) -> str:
    """`held_out/linear/miou` -> `mIoU [%], held out, linear`; without `where`, `mIoU [%]`."""
    if (found := class_metric(metric)) is not None:
        place, kind, name = found
        name = f"{OF_CLASS[kind]} of {name}"
    else:
        place, _, name = metric.rpartition("/")
        name = (_NAMES | _HUNDREDFOLD).get(name, name.replace("_", " "))
    unit = scale(metric)[1]
    parts = [f"{name} [{unit}]" if unit else name]
    if where and place:
        parts += place.replace("_", " ").split("/")
    return ", ".join(parts)


def digits(value: float, metric: str) -> str:
    """A value of a metric in its unit: one decimal of per cent and CIDEr, up to three below a tenth of them,
    four digits of all else."""
    factor, unit = scale(metric)
    if not unit:
        return f"{value:.4g}"
    shown = factor * value
    if abs(shown) <= 5e-4:
        return "0.0"
    return f"{shown:.1f}" if abs(shown) >= 0.095 else f"{shown:.3f}".rstrip("0")


def mean_sd(summary: Summary | None, metric: str) -> str:
    """mean ± SD; empty where there is nothing."""
    if summary is None:
        return ""
    if summary.sd is None:
        return digits(summary.mean, metric)
    return f"{digits(summary.mean, metric)} ± {digits(summary.sd, metric)}"


def signed(value: float, metric: str) -> str:
    """The same with its sign; zero has none."""
    text = digits(abs(value), metric)
    if not text.strip("0."):
        return text
    return f"{'−' if value < 0 else '+'}{text}"


def gain(value: float, metric: str) -> str:
    """`+2.4 points of mIoU, test`."""
    name = label(metric, where="{x}" not in metric).replace(f" [{scale(metric)[1]}]", "")
    return f"{signed(value, metric)}{' points of' if scale(metric)[1] else ' in'} {name}"


def span(interval: Interval | None, metric: str, sign: bool = False) -> str:
    """low to high; empty where there is nothing."""
    if interval is None:
        return ""
    write = signed if sign else digits
    return f"{write(interval.low, metric)} to {write(interval.high, metric)}"
