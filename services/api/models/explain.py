"""The body of ``/v1/explain``: records of the store to kilograms and plain words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from services.api.models.bands import masses_kg
from services.core.accounting.factor_publications import publications
from services.core.accounting.fuel_equations import FUEL_EQUATIONS
from services.core.accounting.gwp import GwpSet, gwp_set
from services.core.accounting.stack.audits import Audit
from services.core.accounting.stack.closing import ClosingRule
from services.core.accounting.stack.equations import Equation
from services.core.facility.in_force import Function, InForce
from services.core.store.answers.explain import FactorUsed, HourExplanation, HourVersion
from services.core.store.answers.explain_closing import CalibrationRange, HourClosing
from services.core.store.answers.explain_inputs import InputHour
from services.core.store.emissions.hour_quality import has_value
from services.core.store.schema.figures import kg
from services.core.timeline.instants import HOUR_MS, MINUTE, from_us


def explain_body(
    explanation: HourExplanation,
    *,
    facility: str,
    facility_retired_at: datetime | None = None,
    source: str,
    hour: datetime,
    as_of: datetime,
) -> dict[str, Any]:
    """Build the answer; what is unknown is null, never zero."""
    in_force = next((v for v in reversed(explanation.versions) if v.superseded_at is None), None)
    gwp = gwp_set(explanation.configuration.get("gwp"))
    has_export = explanation.has_export
    return {
        "facility": facility,
        "facility_retired_at": facility_retired_at,
        "source": source,
        "scope": explanation.scope,
        "hour": hour,
        "as_of": as_of,
        "total": None if in_force is None else _version(in_force, has_export=has_export),
        "reason": explanation.unknown,
        "activity_unit": explanation.activity_unit,
        "method": explanation.configuration["method"],
        "configuration": explanation.configuration,
        "configured_at": explanation.configured_at,
        "equation": None if explanation.equation is None else _equation(explanation.equation),
        "factor": None if explanation.factor is None else _factor(explanation.factor, gwp),
        "market_factor": None
        if explanation.market_factor is None
        else _factor(explanation.market_factor, gwp),
        "closing": None if explanation.closing is None else _closing(explanation.closing),
        "analysis": _analysis(explanation.configuration.get("analysis")),
        "derived": _derived(explanation.configuration.get("derived")),
        "derived_inputs": {
            role: _derived(stated)
            for role, stated in explanation.configuration.get("derived_inputs", {}).items()
        },
        "inputs": [_input(item) for item in explanation.inputs],
        "minutes": _minutes(explanation, hour),
        "versions": [_version(version, has_export=has_export) for version in explanation.versions],
    }


def _version(v: HourVersion, *, has_export: bool) -> dict[str, Any]:
    known = has_value(quality=v.quality, code=v.code, covered_ms=v.covered_ms)
    return {
        "version": v.version,
        **masses_kg(v.masses_ug if known else None),
        "activity": None if v.activity_n is None or not known else v.activity_n / 1e9,
        "exported": v.exported_n / 1e9 if known and has_export else None,
        "coverage": round(min(1.0, v.covered_ms / HOUR_MS), 6) if known else 0.0,
        "quality": v.quality,
        "code": v.code,
        "state": "final" if v.final else "provisional",
        "reason": v.reason,
        "known_at": v.known_at,
        "superseded_at": v.superseded_at,
    }


def _equation(equation: Equation) -> dict[str, Any]:
    diluent = equation.diluent
    return {
        "id": equation.id,
        "citation": equation.citation,
        "unit": equation.unit,
        "kg_per_unit": float(equation.kg_per_unit),
        "inputs": [
            {
                "role": item.name,
                "meaning": item.meaning,
                "unit": item.unit,
                "basis": None if item.basis is None else str(item.basis),
            }
            for item in equation.inputs
        ],
        "diluent": None if diluent is None else {"id": diluent.id, "citation": diluent.citation},
    }


def _diluent_cap(rule: ClosingRule) -> dict[str, Any] | None:
    cap = rule.diluent_cap
    if cap is None:
        return None
    if rule.equation.diluent is None:
        return {"role": "co2", "unit": "%", "least": float(cap.least_co2)}
    return {"role": "o2", "unit": "%", "greatest": float(cap.greatest_o2)}


def _closing(closing: HourClosing) -> dict[str, Any]:
    rule, rate = closing.rule, closing.rate
    units = {item.name: item.unit for item in rule.equation.inputs} | (
        {} if rule.equation.diluent is None else {"co2": "%"}
    )
    return {
        "validity": {"name": rule.validity.name, "citation": rule.validity.citation},
        "substitution": {"name": rule.substitution.name, "citation": rule.substitution.citation},
        "rate": None
        if rate is None
        else {
            "value": _number(rate.value),
            "unit": rate.unit,
            "kg_h": _number(rate.kg_h),
            "code": rate.code,
        },
        "operating_h": _number(closing.operating),
        "reporting_zone": closing.reporting_zone,
        "diluent_cap": _diluent_cap(rule),
        "inputs": [
            {
                "role": item.role,
                "unit": units.get(item.role),
                "average": _number(item.average),
                "unadjusted": _number(item.unadjusted),
                "least_known": _number(item.least_known),
                "coverage": round(min(1.0, item.covered_ms / HOUR_MS), 6),
                "valid": item.valid,
                "verdict": item.verdict,
                "verdict_reason": item.verdict_reason,
                "value": _number(item.value),
                "code": item.code or None,
                "reason": item.reason or None,
            }
            for item in closing.inputs
        ],
        "calibrations": {
            role: [
                {"time": from_us(test.ts_us), "passed": test.passed, "detail": test.detail}
                for test in tests
            ]
            for role, tests in closing.calibrations.items()
        },
        "calibration_ranges": {
            role: _calibration_range(valid) for role, valid in closing.calibration_ranges.items()
        },
        "audits": {
            role: [_audit(audit) for audit in audits] for role, audits in closing.audits.items()
        },
        "load": None
        if closing.load_unit is None
        else {
            "value": _number(closing.load),
            "unit": closing.load_unit,
            "range": rule.load_range(closing.load) if closing.inputs else None,
            "maximum": rule.load_maximum,
        },
    }


def _calibration_range(valid: CalibrationRange) -> dict[str, Any]:
    standing = valid.standing
    return {
        "function": _function(valid.function),
        "beyond": valid.beyond,
        "weeks": [
            {
                "week": f"{week.monday:%G-W%V}",
                "values": week.values,
                "beyond": week.beyond,
                "percent": round(week.percent, 2),
            }
            for week in valid.weeks
        ],
        "weeks_above_5_percent": len(standing.often),
        "weeks_above_40_percent": len(standing.much),
        "calibration_due": standing.is_due,
        "reason": standing.reason,
    }


def _function(function: Function) -> dict[str, Any]:
    return {
        "valid_from": from_us(function.from_us),
        "a": function.a,
        "b": function.b,
        "unit": function.unit,
        "valid_range": function.valid_range,
        "citation": function.citation,
    }


def _audit(audit: Audit) -> dict[str, Any]:
    accuracy = audit.accuracy
    return {
        "time": from_us(audit.ts_us),
        "kind": audit.kind,
        "passed": audit.passed,
        "levels": [
            {"error": float(level.error), "alternative": level.alternative, "passed": level.passed}
            for level in audit.levels
        ],
        "bias_factor": float(audit.bias_factor),
        "runs": None if accuracy is None else accuracy.runs,
        "mean_difference": None if accuracy is None else float(accuracy.mean_difference),
        "confidence_coefficient": None
        if accuracy is None
        else float(accuracy.confidence_coefficient),
        "relative_accuracy_percent": None
        if accuracy is None
        else float(accuracy.relative_accuracy_percent),
    }


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _publication(name: str) -> dict[str, Any] | None:
    """Say whose figure a built-in factor is; None for a factor of somebody's own."""
    publication = publications().get(name)
    if publication is None:
        return None
    return {
        "publisher": publication.series.publisher,
        "title": publication.title,
        "published": publication.published,
        "licence": publication.licence,
        "first_hand": publication.first_hand,
        "via": publication.via,
        "calendar": publication.series.calendar,
    }


def _factor(used: FactorUsed, gwp: GwpSet) -> dict[str, Any]:
    factor = used.factor
    return {
        "id": factor.id,
        "row": used.row_id,
        "unit": factor.unit,
        "basis": factor.basis,
        "co2_kg": factor.co2_kg,
        "ch4_kg": factor.ch4_kg,
        "n2o_kg": factor.n2o_kg,
        "co2_biogenic_kg": factor.co2_biogenic_kg,
        "co2e_kg": None if factor.is_series else factor.total_co2e_kg(gwp),
        "gwp": None
        if factor.co2e_kg is not None or factor.is_series
        else {"set": gwp.name, "citation": gwp.citation},
        "valid_from": factor.valid_from,
        "valid_to": factor.valid_to,
        "known_from": factor.known_from,
        "known_to": factor.known_to,
        "data_year": factor.data_year,
        "release": factor.release or None,
        "uncertainty_percent": factor.uncertainty,
        "citation": factor.citation,
        "publication": _publication(factor.publication),
        "successor_expected": factor.successor_expected,
        "stale": used.stale,
        "notes": list(used.applied.notes),
        "fallback": None if factor.fallback is None else list(factor.fallback),
        "series": None
        if used.series is None
        else {
            "used": used.series.used,
            "co2_kg": used.series.co2_kg,
            "known_at": used.series.known_at,
            "recorded_at": used.series.recorded_at,
        },
        "applied": {
            "per": used.activity_unit,
            "co2_kg": used.applied.co2_kg,
            "co2e_kg": used.applied.co2e_kg,
            "co2_biogenic_kg": used.applied.co2_biogenic_kg,
        },
    }


def _input(item: InputHour) -> dict[str, Any]:
    channel, readings = item.channel, item.readings
    return {
        "role": channel.role,
        "device": channel.device,
        "channel": channel.channel,
        "quantity": channel.spec.quantity,
        "unit": channel.spec.unit,
        "kind": channel.spec.kind,
        "scale": item.in_force[0].scale,
        "offset": item.in_force[0].offset,
        "in_force": [_in_force(terms) for terms in item.in_force],
        "mean" if channel.spec.kind == "gauge" else "amount": item.value,
        "exported": item.exported,
        "covered_s": item.covered_s,
        "readings": {
            "count": readings.count,
            "gaps": readings.gaps,
            "by_quality": readings.by_quality,
            "over_full_scale": readings.over_full_scale,
            "min": readings.least,
            "mean": readings.mean,
            "max": readings.greatest,
            "first": _reading(readings.first_time, readings.first_value),
            "last": _reading(readings.last_time, readings.last_value),
        },
        "held": [
            {
                "from": from_us(step.t0_us),
                "to": from_us(step.t1_us),
                "change": step.value,
                "reason": step.reason,
            }
            for step in item.unconfirmed
        ],
        "incidents": [
            {
                "kind": incident.kind,
                "from": from_us(incident.t0_us),
                "to": from_us(incident.t1_us),
                "before": incident.before,
                "seen": incident.skipped_value,
                "after": incident.after,
                "counted": incident.counted,
                "reason": incident.reason,
            }
            for incident in item.incidents
        ],
    }


def _in_force(terms: InForce) -> dict[str, Any]:
    function = terms.function
    return {
        "from": None if terms.from_us is None else from_us(terms.from_us),
        "scale": terms.scale,
        "offset": terms.offset,
        "full_scale": terms.full_scale,
        "span": terms.span,
        "calibration_function": None if function is None else _function(function),
    }


def _analysis(stated: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if stated is None:
        return None
    equation = FUEL_EQUATIONS[stated["equation"]]
    return {
        "equation": equation.id,
        "citation": equation.citation,
        "other_gases": equation.other_gases,
        "channels": {key: name for key, name in stated.items() if key != "equation"},
    }


def _derived(stated: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if stated is None:
        return None
    return {key: stated[key] for key in ("channel", "quantity", "unit", "formula")}


def _reading(time: datetime | None, value: float | None) -> dict[str, Any] | None:
    return None if time is None else {"time": time, "value": value}


def _minutes(explanation: HourExplanation, hour: datetime) -> list[dict[str, Any]]:
    stored = {row.minute: row for row in explanation.minutes}
    rows = []
    for index in range(60):
        time = hour + index * MINUTE
        row = stored.get(time)
        known = row is not None and row.covered_ms > 0
        rows.append(
            {
                "time": time,
                **masses_kg(row.masses_ug if row and known else None),
                "closing_kg": kg(row.closing_ug) if row else 0.0,
                "closing_biogenic_kg": kg(row.closing_biogenic_ug) if row else 0.0,
                "activity": row.activity_n / 1e9
                if row and known and row.activity_n is not None
                else None,
                "exported": row.exported_n / 1e9
                if row and known and explanation.has_export
                else None,
                "coverage": min(1.0, row.covered_ms / 60_000) if row else 0.0,
                "inputs": {
                    item.channel.role: item.minutes[index][0] for item in explanation.inputs
                },
            }
        )
    return rows
