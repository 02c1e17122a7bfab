"""Operators between two vectors: which series belong together, and what comes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from services.api.prometheus.expressions import Matching, Operation
from services.api.prometheus.labels import NAME, Labels, labels_of, only, without
from services.api.prometheus.operators import COMPARISONS, computed
from services.api.prometheus.refusals import ExecutionError
from services.api.prometheus.values import Booleans, Vector, any_of

Groups = Mapping[Labels, Sequence[int]]


def combined(operation: Operation, left: Vector, right: Vector) -> Vector:
    """Return what an operator makes of two vectors.

    :raises ExecutionError: more series belong together than the query allows.
    """
    if operation.matching.cardinality == "sets":
        return _sets(operation, left, right)
    is_swapped = operation.matching.cardinality == "right"
    many, one = (right, left) if is_swapped else (left, right)
    many_groups, one_groups = (_groups(operation.matching, side) for side in (many, one))
    # at a step at which either has nothing, nothing is looked for
    is_asked = any_of(many.present) & any_of(one.present)
    _check_one(one, one_groups, is_asked)
    rows = []
    for group, indices in many_groups.items():
        taken = np.zeros(many.steps, dtype=np.bool_)
        for index in indices:
            for other in one_groups.get(group, ()):
                sides = (many.values[index], one.values[other])
                outcome = computed(operation.operator, *(sides[::-1] if is_swapped else sides))
                present = many.present[index] & one.present[other]
                values = outcome
                if operation.operator in COMPARISONS and not operation.as_bool:
                    present = present & (outcome == 1)
                    values = sides[is_swapped]
                if operation.matching.cardinality == "one" and (taken & present).any():
                    raise ExecutionError(
                        "multiple matches for labels: many-to-one matching must be explicit"
                        " (group_left/group_right)"
                    )
                taken = taken | present
                labels = _labels(operation, many.labels[index], one.labels[other])
                rows.append((labels, values, present))
    vector = Vector.stacked(rows, many.steps)
    return vector.labelled(vector.labels)


def _signature(matching: Matching, labels: Labels) -> Labels:
    if matching.on:
        return only(labels, matching.labels)
    return without(labels, {*matching.labels, NAME})


def _groups(matching: Matching, vector: Vector) -> Groups:
    groups: dict[Labels, list[int]] = {}
    for index, labels in enumerate(vector.labels):
        groups.setdefault(_signature(matching, labels), []).append(index)
    return groups


def _check_one(one: Vector, groups: Groups, is_asked: Booleans) -> None:
    for group, indices in groups.items():
        if len(indices) > 1 and ((one.present[indices].sum(axis=0) > 1) & is_asked).any():
            raise ExecutionError(
                f"found duplicate series for the match group {dict(group)} on one side of the"
                " operation; many-to-many matching not allowed: matching labels must be unique on"
                " one side"
            )


def _labels(operation: Operation, many: Labels, one: Labels) -> Labels:
    matching = operation.matching
    if operation.operator not in COMPARISONS or operation.as_bool:
        many = without(many, (NAME,))
    if matching.cardinality == "one":
        keep = only if matching.on else without
        return keep(many, matching.labels)
    values = dict(one)
    return labels_of(dict(many) | {name: values.get(name, "") for name in matching.include})


def _sets(operation: Operation, left: Vector, right: Vector) -> Vector:
    """Return the series of the left that are, or are not, on the right; or those of both."""
    matching = operation.matching
    sides = [_groups(matching, side) for side in (left, right)]
    if operation.operator == "or":
        has_left = _has(left, sides[0])
        rows = list(zip(left.labels, left.values, left.present, strict=True))
        for labels, values, present in zip(right.labels, right.values, right.present, strict=True):
            hidden = has_left.get(_signature(matching, labels))
            rows.append((labels, values, present if hidden is None else present & ~hidden))
        vector = Vector.stacked(rows, left.steps)
        return vector.labelled(vector.labels)
    has_right = _has(right, sides[1])
    nothing = np.zeros(left.steps, dtype=np.bool_)
    rows = []
    for labels, values, present in zip(left.labels, left.values, left.present, strict=True):
        is_right = has_right.get(_signature(matching, labels), nothing)
        stays = is_right if operation.operator == "and" else ~is_right
        rows.append((labels, values, present & stays))
    return Vector.stacked(rows, left.steps)


def _has(vector: Vector, groups: Groups) -> dict[Labels, Booleans]:
    """Return at which steps each group has a value."""
    return {group: any_of(vector.present[indices]) for group, indices in groups.items()}
