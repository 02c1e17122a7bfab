"""Random queries of the part of PromQL that tonne speaks, from a seed."""

from __future__ import annotations

import random

_METRICS = ("tonne_co2_rate_kg_h", "tonne_co2_kg_total", "tonne_coverage_ratio")
_MATCHERS = (
    'facility="linz"', 'facility!="linz"', 'facility=~"li.*|graz"', 'source=~"b.+"',
    'source!~"boiler|grid"', 'scope="1"', 'scope=~"[12]"', 'source=~"(boi|gr)[a-z]{2,5}"',
    'nothing=""', 'source=""', 'facility=~"l?i+n.z?"',
)  # fmt: skip
_RANGE_FUNCTIONS = (
    "rate", "increase", "delta", "avg_over_time", "min_over_time", "max_over_time",
    "sum_over_time", "count_over_time", "last_over_time", "present_over_time",
)  # fmt: skip
_LABELS = ("facility", "source", "scope", "missing")
_COMPARISONS = ("==", "!=", ">", "<", ">=", "<=")
_ARITHMETIC = ("+", "-", "*", "/", "^")
_RANGES = ("1m", "150s", "5m", "17m", "1h", "3h", "1d")
_OFFSETS = ("", "", "", " offset 7m", " offset 1h", " offset -90s", " offset 30s")


class Queries:
    """Queries without end."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def next(self) -> str:
        """Return the next query."""
        return self._scalar(3) if self._chance(0.08) else self._vector(3)

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _one_of(self, choices: tuple[str, ...]) -> str:
        return self._random.choice(choices)

    def _selector(self) -> str:
        matchers = self._random.sample(_MATCHERS, self._random.choice((0, 0, 1, 1, 2)))
        if self._chance(0.1):
            names = self._random.choice(("tonne_co2_.*", "tonne_co2_kg_total|tonne_coverage_ratio"))
            return f'{{{",".join([f"""__name__=~"{names}" """, *matchers])}}}'
        return self._one_of(_METRICS) + (f"{{{','.join(matchers)}}}" if matchers else "")

    def _vector(self, depth: int) -> str:
        if depth == 0 or self._chance(0.15):
            return self._selector() + self._one_of(_OFFSETS)
        return self._random.choice(
            (self._over_range, self._over_range, self._aggregation, self._aggregation,
             self._with_scalar, self._with_vector, self._with_vector, self._function, self._sets)
        )(depth - 1)  # fmt: skip

    def _over_range(self, _depth: int) -> str:
        name, length = self._one_of(_RANGE_FUNCTIONS), self._one_of(_RANGES)
        return f"{name}({self._selector()}[{length}]{self._one_of(_OFFSETS)})"

    def _some_labels(self) -> str:
        return ", ".join(self._random.sample(_LABELS, self._random.randint(0, 3)))

    def _aggregation(self, depth: int) -> str:
        name = self._one_of(("sum", "avg", "min", "max", "count", "group"))
        by = self._random.choice(("", " by ", " by ", " without "))
        labels = f"{by}({self._some_labels()})" if by else ""
        return f"{name}{labels}({self._vector(depth)})"

    def _operator(self) -> str:
        if self._chance(0.35):
            return self._one_of(_COMPARISONS) + (" bool" if self._chance(0.4) else "")
        return self._one_of(_ARITHMETIC)

    def _with_scalar(self, depth: int) -> str:
        sides = [self._vector(depth), self._scalar(depth)]
        self._random.shuffle(sides)
        return f"({sides[0]} {self._operator()} {sides[1]})"

    def _with_vector(self, depth: int) -> str:
        matching = ""
        if self._chance(0.6):
            matching = f" {self._one_of(('on', 'ignoring'))} ({self._some_labels()})"
            if self._chance(0.4):
                side = self._one_of(("group_left", "group_right"))
                on = matching[matching.index("(") :]
                include = [] if " on" in matching else ["scope"]
                include = [label for label in include if label not in on]
                matching += f" {side} ({', '.join(include)})"
        return f"({self._vector(depth)} {self._operator()}{matching} {self._vector(depth)})"

    def _sets(self, depth: int) -> str:
        matching = f" {self._one_of(('on', 'ignoring'))} ({self._some_labels()})"
        matching = matching if self._chance(0.5) else ""
        operator = self._one_of(("and", "or", "unless"))
        return f"({self._vector(depth)} {operator}{matching} {self._vector(depth)})"

    def _function(self, depth: int) -> str:
        vector = self._vector(depth)
        return self._random.choice(
            (
                f"abs({vector})", f"ceil({vector})", f"floor({vector})", f"-{self._selector()}",
                # a remainder hangs on the last digit of its divisor, which only a number tells
                f"{self._selector()} % {self._one_of(('0', '2.5', '-7', '100'))}",
                f"round({vector})", f"round({vector}, 0.25)", f"clamp_min({vector}, 2)",
                f"clamp_max({vector}, {self._scalar(0)})", f"absent({vector})",
                f"timestamp({vector})", f"vector({self._scalar(depth)})",
            )
        )  # fmt: skip

    def _scalar(self, depth: int) -> str:
        if depth > 0 and self._chance(0.4):
            if self._chance(0.3):
                return f"scalar({self._vector(depth - 1)})"
            operator = self._operator()
            if operator.strip() in _COMPARISONS:
                operator += " bool"
            return f"({self._scalar(depth - 1)} {operator} {self._scalar(depth - 1)})"
        return self._one_of(("0", "1", "2.5", "-3", "1e3", "0x1F", "Inf", "NaN", "time()", "100"))
