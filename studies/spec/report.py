"""The page of a study: `report:` in the study's YAML.

    report:
      form: curve
      metrics: [test/miou, held_out/miou]
      x: houses
      log_x: true
      fit: log
      worth_of: test-house          # the x at which the curve reaches this arm
      claims: [[test-house, scratch], [test-house, iid@1]]
      paper:                        # studies/spec/paper.py
        source: Tab. 8, ViT-S
        csv: table08_sampling_ratio
        columns: {transfer_to_test_ratio: "transfer : test", procthor_seg_miou: "mIoU [%]"}
      expect: A hundred other houses are worth less than the test house.

`studies.report.report` draws the page from rows; this module reads none.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from scenes.config import Config
from studies.spec.paper import PaperTable

Form = Literal["bars", "curve", "heatmap", "paths"]
Level = int | float | str


def _tables(value: Any) -> Any:
    """The short forms of `paper`: one table without a list, and null for none."""
    return () if value is None else (value,) if isinstance(value, dict) else value


class ReportConfig(Config):
    """One page: the form of its main figure, its metrics and its claims."""

    form: Form = "bars"
    """bars: one per arm; curve: one line per arm over the axis `x`, arms without `x` as horizontal bands;
    heatmap: levels of `x` (houses of pre-training) against sets of evaluation; paths: one line per arm and
    metric over `x`, all metrics in one figure."""
    metrics: tuple[str, ...] = Field(("test/miou",), min_length=1)
    """Metrics of the rows; the first is the main one. In a heat map, `{x}` in a name stands for each level of
    `x`, one column each; these columns make the diagonal."""
    x: str | None = None
    """The axis of the study that is drawn; all forms but bars need one."""
    log_x: bool = False
    """Logarithmic scale of `x`; its levels must be numbers above 0."""
    lower: tuple[str, ...] = ()
    """Metrics where lower is better, such as a loss."""
    claims: tuple[tuple[str, str], ...] = ()
    """Pairs [a, b] to compare: `arm`, or `arm@level` for the arm at one level of `x`. Without levels two
    arms are compared at each point that both have. Default: for bars all pairs of arms; for curves and paths
    each arm's last level against its first, and neighbouring levels; for a heat map its diagonal."""
    fit: Literal["power", "log"] | None = None
    """A function fitted to each curve: log is a + b·log x, power is a + b·x^-c."""
    worth_of: str | None = None
    """An arm without `x`: the page gives the x at which each curve reaches its mean."""
    way: tuple[str, str] | None = None
    """Two arms [from, to], such as a lower and an upper bound: the page gives the share of the way from the
    one to the other that each other arm goes, (arm - from) / (to - from)."""
    spread: Literal["modalities"] | None = Field(default=None, exclude_if=lambda name: name is None)
    """modalities: of all runs with mm, the page gives how far the scores of equally many modalities lie
    apart."""
    paper: Annotated[tuple[PaperTable, ...], BeforeValidator(_tables)] = ()
    """The paper's own numbers, a table each."""
    expect: str = ""
    """The expectation after the paper, in words."""

    @model_validator(mode="after")
    def _form_has_what_it_needs(self) -> Self:
        if self.form != "bars" and self.x is None:
            raise ValueError(f"form {self.form} is drawn over an axis: give x the name of one")
        if self.log_x and self.x is None:
            raise ValueError("log_x without x: name the axis, or leave log_x out")
        if self.form != "curve":
            for field in ("fit", "worth_of"):
                if getattr(self, field) is not None:
                    raise ValueError(f"{field} belongs to form curve, and form is {self.form}: leave it out")
        return self

    @model_validator(mode="after")
    def _metrics_are_told_apart(self) -> Self:
        if twice := sorted({m for m in self.metrics if self.metrics.count(m) > 1}):
            raise ValueError(f"metrics names {twice[0]!r} twice: name each once")
        if stray := [m for m in self.lower if m not in self.metrics]:
            raise ValueError(
                f"lower names {stray[0]!r}, which is not among metrics ({', '.join(self.metrics)})"
            )
        templates = [m for m in self.metrics if "{" in m]
        if self.form != "heatmap" and templates:
            raise ValueError(f"{templates[0]!r}: {{x}} in a metric is for form heatmap; write the name out")
        if wrong := [m for m in templates if m.count("{x}") != 1 or m.count("{") != 1]:
            raise ValueError(f"{wrong[0]!r}: {{x}}, once, is all a metric's name may hold in braces")
        if len(templates) > 1:
            raise ValueError(
                f"{' and '.join(templates)}: a heat map has one diagonal, so one name with {{x}}"
            )
        return self

    @model_validator(mode="after")
    def _way_is_between_two(self) -> Self:
        if self.way is not None and self.way[0] == self.way[1]:
            raise ValueError(f"way goes from {self.way[0]!r} to itself: name two arms")
        return self

    @model_validator(mode="after")
    def _claims_compare_two(self) -> Self:
        for a, b in self.claims:
            if a == b:
                raise ValueError(f"claims compares {a!r} with itself: name two")
            for side in (a, b):
                arm, at, level = side.partition("@")
                if not arm or (at and not level):
                    raise ValueError(f"claims: {side!r} is neither an arm nor arm@level")
                if at and self.x is None:
                    raise ValueError(f"claims: {side!r} names a level, and there is no x: give x an axis")
        return self

    def check(self, arms: dict[str, tuple[str, ...]], axes: dict[str, tuple[Level, ...]]) -> None:
        """Check the report against its study: `arms` maps each arm to the axes that it varies over, `axes`
        each axis to its levels.

        Raises ValueError that names what the study lacks, and what it has.
        """
        if self.x is not None and self.x not in axes:
            raise ValueError(f"report.x is {self.x!r}; axes there are: {', '.join(axes) or 'none'}")
        levels = axes[self.x] if self.x is not None else ()
        if self.log_x and not all(isinstance(v, int | float) and v > 0 for v in levels):
            raise ValueError(f"report.log_x: {self.x} has levels that have no logarithm: {_words(levels)}")
        if self.fit is not None and not all(isinstance(v, int | float) and v > 0 for v in levels):
            raise ValueError(
                f"report.fit: {self.x} has levels that are not numbers above 0: {_words(levels)}"
            )
        sides = [side.partition("@")[0] for pair in self.claims for side in pair]
        for arm in [*sides, *(self.way or ()), self.worth_of]:
            if arm is not None and arm not in arms:
                raise ValueError(f"report names the arm {arm!r}; arms there are: {', '.join(arms)}")
        for side in [side for pair in self.claims for side in pair]:
            arm, _, level = side.partition("@")
            if level and level not in map(str, levels):
                raise ValueError(f"report.claims: {side!r}; levels of {self.x} are: {_words(levels)}")
            if level and self.x not in arms[arm]:
                raise ValueError(f"report.claims: {side!r}, but arm {arm} does not vary over {self.x}")
        if self.worth_of is not None and self.x in arms[self.worth_of]:
            raise ValueError(
                f"report.worth_of: arm {self.worth_of} varies over {self.x} itself; name one that does not"
            )


def _words(levels: tuple[Level, ...]) -> str:
    return ", ".join(map(str, levels))
