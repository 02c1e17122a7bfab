"""What must hold of removals and credits of one facility file."""

from __future__ import annotations

from collections.abc import Iterator

from services.core.facility import model

_Finding = tuple[tuple[str | int, ...], str]


def problems(file: model.FacilityFile) -> Iterator[_Finding]:
    """Yield each reason why removals or credits cannot be kept, with its path."""
    removing = {source.id: source.removal is not None for source in file.sources}
    for i, source in enumerate(file.sources):
        if removing.get(source.check or source.id, False) != removing[source.id]:
            yield (
                ("sources", i, "check"),
                f"of {source.id} and {source.check} one removes and one emits: that is no check",
            )
    for i, product in enumerate(file.products):
        for part in product.allocations:
            if removing.get(part.source, False):
                yield (
                    ("products", i),
                    f"{part.source} removes: what a product emits is gross, name what emits",
                )
    for i, credit in enumerate(file.credits):
        first, last = credit.unit_range
        for other in file.credits[:i]:
            begins, ends = other.unit_range
            if other.key == credit.key and first <= ends and begins <= last:
                yield (
                    ("credits", i, "serial"),
                    f"{credit.id} names units that {other.id} has: a credit is retired once",
                )
