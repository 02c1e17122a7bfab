"""Hold an hour that is stored against what was computed of it."""

from __future__ import annotations

from services.aggregator.audit.findings import Findings, Kind
from services.aggregator.audit.recomputed import ComputedHour
from services.core.store.emissions.final_hours import StoredHour


def compare(findings: Findings, hour: int, have: StoredHour | None, computed: ComputedHour) -> None:
    """Add what differs; ``have`` None: there is no such hour."""
    co2_ug = computed.figures["co2_ug"]
    if have is None:
        if computed.figures["covered_ms"] > 0 or computed.verdict is not None:
            findings.add(
                Kind.MISSING, hour, recomputed_ug=co2_ug, detail="there are readings of it"
            )
        return
    differing = tuple(
        name for name, figure in computed.figures.items() if have.figures[name] != figure
    )
    if differing:
        findings.add(
            Kind.READINGS,
            hour,
            stored_ug=have.figures["co2_ug"],
            recomputed_ug=co2_ug,
            figures=differing,
        )
    wrong_minutes = computed.wrong_minutes
    if wrong_minutes is not None and not differing:
        first = wrong_minutes.first
        findings.add(
            Kind.MINUTES,
            hour,
            figures=wrong_minutes.figures,
            detail=f"minutes that are not what the readings give: {wrong_minutes.count},"
            f" from {first // 60 % 24:02}:{first % 60:02}Z on",
        )
    _compare_judgement(findings, hour, have, computed)


def _compare_judgement(
    findings: Findings, hour: int, have: StoredHour, computed: ComputedHour
) -> None:
    verdict = computed.verdict
    stored_judgement = (have.quality, have.code, have.final)
    computed_judgement = (
        (have.quality, None, have.final)
        if verdict is None
        else (verdict.quality, verdict.code, verdict.final)
    )
    wrong = [
        name
        for name, one, other in zip(
            ("quality", "code", "final"), stored_judgement, computed_judgement, strict=True
        )
        if one != other
    ]
    wrong += [f"input {role}" for role in computed.inputs]
    if wrong:
        findings.add(
            Kind.JUDGEMENT,
            hour,
            figures=tuple(wrong),
            detail=f"stored: {_judgement(stored_judgement)};"
            f" computed: {_judgement(computed_judgement)}",
        )


def _judgement(judgement: tuple[str | None, str | None, bool]) -> str:
    quality, code, final = judgement
    return f"{quality}, {code or 'no code'}, {'final' if final else 'not final'}"
