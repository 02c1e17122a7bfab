"""What the bodies of answers have in common."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

QualityName = Literal["good", "uncertain", "bad", "calibration", "maintenance", "above-range"]

#: How good a figure is, in one word.
QualityWord = Literal["measured", "partial", "missing", "substituted", "estimated"]


class Answer(BaseModel):
    """A body that holds exactly its fields."""

    model_config = ConfigDict(extra="forbid")
