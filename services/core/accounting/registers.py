"""Meter registers: from the index a meter shows to the amount that flowed.

An index only rises, except when it rolls over at its modulus, is set back, is replaced, or is
misread for a moment. Which of these a fall or a leap is, is judged by what the meter can
physically do, `max_rate`, and by the readings next to it:

*plausible*    a rise of at most `max_rate * elapsed`, plus one step of the register's last digit
               and `CLOCK_ALLOWANCE_S` of elapsed time.
*taken back*   a fall or leap is undone by the next reading, which agrees with the one before it:
               the reading between them is a transient, and the step runs across it.
*confirmed*    a leap, too fast by itself, is possible over the time from the reading before to the
               one after: the clock was off, not the index. The step runs across, whole.
*held*         nothing has been read since that could tell. Not counted, reported in `held`.
*rollover*     a fall that is plausible across the modulus.
*jitter*       a fall of at most one step of the coarser last digit, or of at most a tenth of the
               index that the next `COMES_BACK_WITHIN` readings make up: rounding, flutter, two
               gateways with a different lag. It takes back the rise before it.
*reset*        any other fall. The index began again at zero if what it shows now is no more than
               the pace of the steps beside it would have brought, and then it is counted. Otherwise
               where it began is unknown (a replaced meter shows what its calibration left there),
               nothing is counted and the time stays uncovered. An `Epoch` with `start` says it.
*jump*         a leap nothing explains: not counted, the time stays uncovered, the register goes on
               from the new index. Declaring an epoch, or a truer `max_rate`, counts it.
*begun again*  the beginning of a day, month or year at which the register is known to be set to
               zero: see :mod:`.register_resets`. It is no incident.
*replacement*  the first reading of a declared epoch: `value - start` from the epoch's `from_us` on,
               nothing when `start` is not known.

Without `max_rate` every rise is plausible. A fall that the next reading takes back, and a rise that
the next reading takes back to at least where it came from, are still transients; a fall over more
than half the modulus is a rollover. A misreading that lasts for two readings cannot be told from
energy then: give every register its `max_rate`.

Whatever is read: over a stretch of readings without a reset, a rollover, a jump or an epoch's
beginning, the sum of the steps never exceeds the last reading minus the first, or zero where that
is less; a reading that is held is not part of the stretch yet. A step is below zero where a fall
takes back more than the `PEAK_READINGS` readings before it rose: the index did go back, and what
was counted on its way up lies too far behind to be found.

Every decision looks at a bounded number of readings around it, so a window of the readings with
`LOOK_AROUND` more on either side gives the very same steps inside the window as all of them do,
and a new reading changes no step further away than that.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from services.core.accounting import register_jitter, register_resets
from services.core.accounting.register_plausibility import (
    CLOCK_ALLOWANCE_S,
    Bools,
    Floats,
    Ints,
    Readings,
    max_between,
    prepare,
    rise_between,
    wrap_between,
)
from services.core.accounting.register_records import (
    Epoch,
    Incident,
    IncidentKind,
    RegisterConfig,
    RegisterSteps,
    Resets,
    UnconfirmedStep,
)
from services.core.timeline.instants import HOUR_US

__all__ = [
    "LOOK_AROUND",
    "Epoch",
    "Incident",
    "IncidentKind",
    "RegisterConfig",
    "RegisterSteps",
    "Resets",
    "UnconfirmedStep",
    "plain_steps",
    "steps",
]

LOOK_AROUND = 8
"""How many readings before and after a window decide the steps that overlap it."""


@dataclass(slots=True)
class _Outcome:
    """What the steps of one call add up to, while they are being walked."""

    rows: list[tuple[int, int, float]] = field(default_factory=list)
    unconfirmed: list[UnconfirmedStep] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)


def plain_steps(
    ts_us: Ints, value: Floats, owner: Ints, owners: int, config: RegisterConfig
) -> tuple[Ints, Ints, Floats, Ints, Bools]:
    """Compute the steps of many registers at once of which nothing but plain rises was read.

    `owner` is the ascending number below `owners` of the register that each reading belongs to;
    `ts_us` ascends for each; every value is finite. Returns the steps' `t0_us`, `t1_us`, `amount`
    and `owner`, and which registers are plain: of the others there are no steps here, :func:`steps`
    judges them. Where every rise is plain no reading is stepped across, so that these are the same
    steps, to the bit, as there.
    """
    if config.epochs or config.resets is not None:
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing, np.zeros(0), nothing, np.zeros(owners, dtype=np.bool_)
    readings = prepare(ts_us, value, config)
    a = np.flatnonzero(owner[:-1] == owner[1:])
    rise, plain = rise_between(readings, a, a + 1)
    step_owner = owner[a]
    all_plain = np.ones(owners, dtype=np.bool_)
    all_plain[step_owner[~plain]] = False
    is_plain = all_plain[step_owner]
    a = a[is_plain]
    return readings.ts[a], readings.ts[a + 1], rise[is_plain], step_owner[is_plain], all_plain


def steps(ts_us: Ints, value: Floats, config: RegisterConfig) -> RegisterSteps:
    """Compute the counted steps of a register, what is unconfirmed, and incidents.

    `ts_us` ascends without duplicates, in integer microseconds; a value that is not finite is no
    reading. To see only part of a register, give `LOOK_AROUND` readings more on both sides and use
    the steps that overlap the part wanted.
    """
    readings = prepare(ts_us, value, config)
    if readings.ts.size == 0:
        return _result(_Outcome(), readings, *(np.zeros(0, dtype=np.int64),) * 2, np.zeros(0))
    epochs = tuple(sorted(config.epochs, key=lambda epoch: epoch.from_us))
    skipped = _stepped_across(readings, config.resets)
    endpoints = np.flatnonzero(~skipped)
    a, b = endpoints[:-1], endpoints[1:]
    same = readings.epoch[a] == readings.epoch[b]
    rise, plain = rise_between(readings, a, b)
    counted = same & plain
    outcome = _Outcome()
    taken_back: list[int] = []
    _begin_with_first(readings, int(endpoints[0]), epochs, outcome)
    others = ~counted
    if config.resets is not None:
        begun_again = _begin_periods(readings, config.resets, a, b, same, outcome)
        counted &= ~begun_again
        others &= ~begun_again
    for i in np.flatnonzero(others):
        before, after = int(a[i]), int(b[i])
        if not same[i]:
            _begin_epoch(readings, before, after, epochs, outcome)
        elif rise[i] >= 0:
            _record_leap(readings, before, after, outcome)
        elif _record_fall(readings, before, after, skipped, outcome):
            taken_back.append(int(i))
    counted[taken_back] = True
    amount = register_jitter.amounts(readings, endpoints, rise, counted, taken_back)
    for i in np.flatnonzero(skipped):
        outcome.incidents.append(_crossed(readings, int(i)))
    return _result(
        outcome, readings, a[counted].astype(np.int64), b[counted].astype(np.int64), amount[counted]
    )


def _stepped_across(r: Readings, resets: Resets | None) -> Bools:
    """Which readings the steps run across: transients, and those whose time is off."""
    n = r.ts.size
    skipped = np.zeros(n, dtype=np.bool_)
    if n < 3:
        return skipped
    b = np.arange(1, n - 1)
    a, c = b - 1, b + 1
    one_epoch = (r.epoch[a] == r.epoch[b]) & (r.epoch[b] == r.epoch[c])
    rise, into_plain = rise_between(r, a, b)
    out, out_plain = rise_between(r, b, c)
    _, across_plain = rise_between(r, a, c)
    across_any = across_plain | wrap_between(r, a, c)[1]
    dip = (rise < 0) & across_plain
    if r.max_rate is None:
        spike = (rise > 0) & (out < 0) & across_plain
        late = np.zeros(b.size, dtype=np.bool_)
    else:
        dip &= ~(wrap_between(r, a, b)[1] & out_plain)
        spike = (rise >= 0) & ~into_plain & across_any
        goes_on = np.zeros(b.size, dtype=np.bool_)
        goes_on[:-1] = out_plain[1:] & one_epoch[1:]
        late = into_plain & (out >= 0) & ~out_plain & across_plain & goes_on
    if resets is not None:
        dip &= ~register_resets.between(r, resets, a, b).is_reset
    # Of two neighbours only one can be stepped across: a dip before a spike before a late one,
    # then the earlier.
    rank = np.where(dip, 3, np.where(spike, 2, np.where(late, 1, 0)))
    rank[~one_epoch] = 0
    around = np.concatenate(([0], rank, [0]))
    skipped[1:-1] = (rank > 0) & (rank > around[:-2]) & (rank >= around[2:])
    return skipped


def _begin_with_first(
    r: Readings, first: int, epochs: tuple[Epoch, ...], outcome: _Outcome
) -> None:
    """Take the first reading of all: a declared start still tells what was counted before it."""
    if r.epoch[first] >= 0 and epochs[r.epoch[first]].start is not None:
        _begin_epoch(r, None, first, epochs, outcome)


def _begin_periods(
    r: Readings,
    resets: Resets,
    a: Ints,
    b: Ints,
    same: Bools,
    outcome: _Outcome,
) -> Bools:
    """Count what was shown since each beginning at zero; return which steps that was."""
    if a.size == 0:
        return np.zeros(0, dtype=np.bool_)
    periods = register_resets.between(r, resets, a, b)
    begun_again = periods.is_reset & same
    for i in np.flatnonzero(begun_again):
        t0, t1 = int(r.ts[a[i]]), int(r.ts[b[i]])
        ends, begins = int(periods.ends_us[i]), int(periods.begins_us[i])
        if ends > t0:
            outcome.rows.append((t0, ends, 0.0))
        if t1 > begins:
            outcome.rows.append((begins, t1, float(r.v[b[i]])))
    return begun_again


def _begin_epoch(
    r: Readings, before: int | None, after: int, epochs: tuple[Epoch, ...], outcome: _Outcome
) -> None:
    """From an epoch's declared start to its first reading."""
    epoch = epochs[r.epoch[after]]
    t1 = int(r.ts[after])
    t0 = epoch.from_us if before is None else max(epoch.from_us, int(r.ts[before]))
    old = None if before is None else float(r.v[before])
    shown = float(r.v[after])
    why = epoch.reason or "epoch"
    amount: float | None = None
    kind: IncidentKind = "replacement"
    if epoch.start is None:
        reason = f"{why}: the start index is not known, nothing is counted up to {shown:g}"
    elif shown < epoch.start:
        reason = f"{why}: the index {shown:g} is below its declared start {epoch.start:g}"
    else:
        amount = shown - epoch.start
        hours = (t1 - t0) / HOUR_US + CLOCK_ALLOWANCE_S / 3600
        rate = r.max_rate
        if rate is not None and not isinstance(rate, float | int):
            rate = float(rate[after])
        limit = np.inf if rate is None else rate * hours + r.digit[after]
        reason = f"{why}: counted from the declared start {epoch.start:g}"
        if amount > limit:
            reason = f"{why}: {amount:g} above the declared start in {hours:.4g} h is too much"
            if after == r.ts.size - 1:
                outcome.unconfirmed.append(
                    UnconfirmedStep(t0_us=t0, t1_us=t1, value=amount, reason=reason)
                )
                return
            kind, amount = "jump", None
    outcome.incidents.append(
        Incident(
            kind=kind, t0_us=t0, t1_us=t1, before=old, after=shown, counted=amount, reason=reason
        )
    )
    if amount is not None:
        outcome.rows.append((t0, t1, amount))


def _record_leap(r: Readings, before: int, after: int, outcome: _Outcome) -> None:
    """Take a rise faster than the meter can count."""
    t0, t1 = int(r.ts[before]), int(r.ts[after])
    old, new = float(r.v[before]), float(r.v[after])
    limit = float(max_between(r, np.array([before]), np.array([after]))[0])
    reason = (
        f"the index rose by {new - old:g} in {(t1 - t0) / HOUR_US:.4g} h, "
        f"where max_rate allows {limit:.6g}"
    )
    if new > r.modulus[after]:
        reason = f"the index {new:g} is above the modulus {float(r.modulus[after]):g}"
    if after == r.ts.size - 1:
        outcome.unconfirmed.append(
            UnconfirmedStep(t0_us=t0, t1_us=t1, value=new - old, reason=reason)
        )
        return
    outcome.incidents.append(
        Incident(
            kind="jump", t0_us=t0, t1_us=t1, before=old, after=new, counted=None, reason=reason
        )
    )


def _record_fall(r: Readings, before: int, after: int, skipped: Bools, outcome: _Outcome) -> bool:
    """Take a fall no next reading took back: a rollover, jitter or a reset.

    :return: whether it is taken back from the rises before it.
    """
    t0, t1 = int(r.ts[before]), int(r.ts[after])
    old, new = float(r.v[before]), float(r.v[after])
    wrapped, rolled = wrap_between(r, np.array([before]), np.array([after]))
    from_zero = 0 <= new <= _brought_by_pace(r, before, after, skipped)
    kind: IncidentKind = "reset"
    amount: float | None = None
    taken_back = False
    reason = f"the index fell from {old:g} to {new:g}"
    if rolled[0]:
        kind, amount = "rollover", float(wrapped[0])
        reason = f"the index rolled over at {float(r.modulus[after]):g}"
    elif not from_zero and register_jitter.is_jitter(r, before, after):
        kind, taken_back = "jitter", True
        reason = f"the index fell by {old - new:.4g}: taken back from the rise before"
    elif after == r.ts.size - 1:
        outcome.unconfirmed.append(
            UnconfirmedStep(t0_us=t0, t1_us=t1, value=new - old, reason=reason)
        )
        return False
    elif from_zero:
        amount = new
        reason += ": it began again at zero"
    else:
        reason += ": where it began again is not known"
    outcome.incidents.append(
        Incident(
            kind=kind, t0_us=t0, t1_us=t1, before=old, after=new, reason=reason,
            counted=new - old if taken_back else amount,
        )
    )  # fmt: skip
    if amount is not None:
        outcome.rows.append((t0, t1, amount))
    return taken_back


def _brought_by_pace(r: Readings, before: int, after: int, skipped: Bools) -> float:
    """Compute what the faster of the two steps beside a fall would have counted during it."""
    pace = 0.0
    for x, y in ((before - 1, before), (after, after + 1)):
        if x < 0 or y >= r.ts.size or skipped[x] or skipped[y] or r.epoch[x] != r.epoch[y]:
            continue
        rise, plain = rise_between(r, np.array([x]), np.array([y]))
        if plain[0]:
            pace = max(pace, float(rise[0]) / (int(r.ts[y]) - int(r.ts[x])))
    resolution = float(min(r.digit[before], r.digit[after]))
    limit = float(max_between(r, np.array([before]), np.array([after]))[0])
    return min(pace * (int(r.ts[after]) - int(r.ts[before])) + resolution, limit)


def _crossed(r: Readings, i: int) -> Incident:
    """Return the record of a reading that was stepped across."""
    old, between, new = (float(r.v[j]) for j in (i - 1, i, i + 1))
    wrapped, _ = wrap_between(r, np.array([i - 1]), np.array([i + 1]))
    counted = max(new - old, 0.0) if new >= old else float(wrapped[0])
    honest = old <= between <= new
    return Incident(
        kind="confirmed" if honest else "transient",
        t0_us=int(r.ts[i - 1]),
        t1_us=int(r.ts[i + 1]),
        before=old,
        after=new,
        counted=counted,
        skipped_value=between,
        reason=f"{between:g} came too fast, the next reading confirmed it"
        if honest
        else f"{between:g} was taken back by the next reading",
    )


def _result(outcome: _Outcome, r: Readings, a: Ints, b: Ints, amount: Floats) -> RegisterSteps:
    """Join plain steps and those of the outcome, in order of time."""
    t0 = np.concatenate((r.ts[a], np.array([row[0] for row in outcome.rows], dtype=np.int64)))
    t1 = np.concatenate((r.ts[b], np.array([row[1] for row in outcome.rows], dtype=np.int64)))
    amounts = np.concatenate((amount, np.array([row[2] for row in outcome.rows], dtype=np.float64)))
    order = np.argsort(t1, kind="stable")
    return RegisterSteps(
        t0_us=t0[order],
        t1_us=t1[order],
        amount=amounts[order],
        unconfirmed=tuple(sorted(outcome.unconfirmed, key=lambda step: step.t1_us)),
        incidents=tuple(sorted(outcome.incidents, key=lambda incident: incident.t1_us)),
    )
