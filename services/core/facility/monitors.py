"""What a facility file may say of a stack monitor's quality assurance."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from services.core.accounting.stack.linearity import LEAST_LEVELS, GasTest
from services.core.accounting.stack.qa import LEAST_RUNS
from services.core.facility.fields import Figure, Instant, Part, PositiveFigure, at_most


class Calibration(Part):
    """What a stack monitor is tested with every day, in the channel's unit."""

    references: Annotated[tuple[Figure, ...], at_most(100)] = Field(
        examples=[[0, 18]],
        min_length=1,
        description="Values of the reference gases or signals, in the channel's unit.",
    )
    span: PositiveFigure | None = Field(
        None,
        description=(
            "flow: span that errors are percent of, in the channel's unit. Default: the channel's."
        ),
    )


class Audit(Part):
    """An audit of a stack monitor: its runs or levels, or what it came to."""

    at: Instant = Field(examples=["2026-03-01T15:00:00Z"], description="When its last run ended.")
    kind: Literal["rata", "linearity", "cga"] | None = Field(
        None,
        description=(
            "rata: a relative accuracy test audit. linearity: a linearity check. cga: a cylinder"
            " gas audit. Default: rata."
        ),
    )
    levels: Annotated[tuple[tuple[Figure, Figure], ...], at_most(100)] | None = Field(
        None,
        description=(
            "linearity, cga: [reference, response] of each gas, means in the channel's unit; three"
            " or more, of a cga two."
        ),
    )
    runs: Annotated[tuple[tuple[Figure, Figure], ...], at_most(1000)] | None = Field(
        None, description="Nine or more runs, each [reference, monitor], in the channel's unit."
    )
    passed: bool | None = Field(
        None, description="Result of the audit, where the runs are not stated."
    )
    relative_accuracy: PositiveFigure | None = Field(
        None,
        description=(
            "rata: relative accuracy in percent, where the runs are not stated. With at most 7.5"
            " the next one is due after four quarters; else, or where it is not stated, after two"
            " (see audit_deadlines)."
        ),
    )
    bias_factor: float | None = Field(
        None,
        ge=1,
        le=2,
        description=(
            "flow: factor that later averages are multiplied by, where the runs are not stated."
        ),
    )

    @model_validator(mode="after")
    def _says_what_its_kind_has(self) -> Audit:
        if self.kind in (None, "rata"):
            if self.levels is not None:
                raise ValueError("levels are those of a linearity check or a cga: state its kind")
            return self
        if (self.runs, self.bias_factor, self.relative_accuracy) != (None, None, None):
            raise ValueError(
                "runs, relative_accuracy and bias_factor are those of a rata: a"
                f" {self.kind} has levels"
            )
        if self.levels is not None:
            if self.passed is not None:
                raise ValueError("levels say whether the audit passed: leave passed out")
            if len(self.levels) < LEAST_LEVELS[GasTest(self.kind)]:
                raise ValueError(
                    f"a {self.kind} has at least {LEAST_LEVELS[GasTest(self.kind)]} levels, each"
                    " [reference, response]"
                )
        return self

    @model_validator(mode="after")
    def _says_what_it_came_to(self) -> Audit:
        if self.levels is not None:
            return self
        if self.runs is not None:
            if (self.passed, self.bias_factor, self.relative_accuracy) != (None, None, None):
                raise ValueError(
                    "runs say whether the audit passed, its relative_accuracy and its bias_factor:"
                    " leave out"
                )
            if len(self.runs) < LEAST_RUNS:
                raise ValueError(
                    f"an audit has at least {LEAST_RUNS} runs, each [reference, monitor]"
                )
        elif self.passed is None and self.bias_factor is None:
            raise ValueError(
                "an audit needs its runs or levels, or passed: true or false, or a bias_factor"
            )
        if self.passed is False and self.bias_factor is not None:
            raise ValueError("a failed audit gives no bias_factor")
        return self
