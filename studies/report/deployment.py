"""The section of a study's page on what its models cost where they are used."""

from studies.report.analysis.break_even import break_evens
from studies.report.analysis.metrics_text import label, signed
from studies.report.analysis.rows import Table
from studies.report.page import heading, paragraph, table

_NOTE = (
    "The one-time cost of a specialist is its pre-training (tokenizers, rendering and transfer not counted). "
    "Each image then costs less than with a larger model that was not pre-trained. FLOPs are counted, and "
    "seconds play no part."
)


def break_even_section(data: Table) -> str:
    """HTML: images after which the pre-training of each smaller specialist is paid; empty without pairs."""
    body = [
        [
            pair.specialist.label,
            pair.larger.label,
            label(pair.metric),
            signed(pair.gain, pair.metric),
            f"{pair.pretrain_gflop:,.0f}",
            f"{pair.saved_gflop:.4g}",
            f"{pair.images:,.0f}",
        ]
        for pair in break_evens(data)
    ]
    if not body:
        return ""
    head = [
        *("specialist", "larger, not pre-trained", "metric", "difference", "pre-training [GFLOP]"),
        *("saved an image [GFLOP]", "paid after [images]"),
    ]
    return (
        heading("When a smaller specialist has paid for itself")
        + paragraph(_NOTE, "note")
        + table(head, body)
    )
