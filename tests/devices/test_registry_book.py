"""A change is judged by what it touches, and says what a look at the whole would say."""

from hypothesis import given, settings
from hypothesis import strategies as st

from devices.registry_book import RegistryBook, fold
from devices.sites import RegistryChange, registry_faults
from tests.devices.registries import Making, first


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9))
def test_a_change_has_faults_when_the_registry_it_makes_has(seed: int) -> None:
    making, whole = Making(seed), first()
    book = RegistryBook.of(whole)
    for _ in range(25):
        change = making.change(whole)
        after = fold(whole, [change])
        assert bool(book.faults(change)) == bool(registry_faults(after)), (book.faults(change), registry_faults(after))
        if not book.faults(change):
            book.apply(change)
            whole = after
        assert book.registry() == whole


def test_the_same_changes_make_the_same_registry_wherever_they_are_folded() -> None:
    making, base = Making(7), first()
    changes: list[RegistryChange] = []
    for _ in range(60):
        changes.append(making.change(fold(base, changes)))
    assert fold(fold(base, changes[:31]), changes[31:]) == fold(base, changes)
