"""Rows of frames of HJ 212."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from services.api.models.answer import Answer


class Hj212Frame(Answer):
    """One frame, and what the message that it is of leaves out."""

    time: datetime = Field(examples=["2026-11-23T17:00:00Z"], description="start of the period")
    facility: str = Field(examples=["linz"])
    source: str = Field(examples=["stack-1"])
    period: Literal["hour", "day"] = Field(examples=["hour"])
    edition: Literal["2017", "2025"] = Field(examples=["2025"])
    part: int = Field(examples=[1], description="which frame of the message, from 1 on")
    parts: int = Field(examples=[1], description="how many frames the message has")
    letter: Literal["N", "F", "M", "D", "C", "T", "B"] = Field(
        examples=["N"],
        description="the data flag of CO2: N normal, F stopped, M maintenance, D fault, C"
        " calibration, T above range, B no contact",
    )
    left_out: str = Field(
        examples=["a00000-Avg: measured wet and no moisture is recorded"],
        description="what the message does not say, with why; empty: nothing",
    )
    frame: str = Field(
        examples=["##0213QN=20261124020000000;ST=31;CN=2061;...&&5A3C\r\n"],
        description="the frame with its CR LF, to be sent as it is",
    )
