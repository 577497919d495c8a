"""The service manager's store: what it is told, and what of an earlier run is whole."""

from concordiad.ops.notify import Manager, find_manager
from concordiad.ops.store import PARTS, find_store, name_of, read_name


def nobody() -> Manager:
    """Give no service manager."""
    return find_manager({})


def test_names_are_read_as_they_were_written() -> None:
    """Whatever else is passed has no such name."""
    assert read_name(name_of("main", "i-1", "out")) == (("main", "i-1"), "out")
    for other in ("", "concordiad.socket", "agent.main.i-1", "agent.main.i-1.elsewhere", "agent.a.b.c.out", "unknown"):
        assert read_name(other) is None


async def test_what_came_back_is_found_though_nothing_more_is_stored() -> None:
    """A unit that keeps nothing any more still has what was kept before; it is taken, and nothing is added."""
    whole = dict.fromkeys(PARTS, 0)
    store = find_store(nobody(), {}, {("main", "i-1"): whole, ("docs", "i-2"): {"in": 0}})
    assert store is not None
    assert store.incarnations == [("main", "i-1")]
    assert (store.take("docs", "i-2"), store.take("main", "i-9"), store.take("main", "i-1")) == (None, None, whole)
    assert store.take("main", "i-1") is None
    assert store.take_others("docs") == [("i-2", {"in": 0})]
    assert not await store.keep("main", "i-3", whole)
    assert find_store(nobody(), {"FDSTORE": "16"}, {}) is None
