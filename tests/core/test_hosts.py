"""Who of the hosts is here."""

from concordiad.core.hosts import Hosts
from concordiad.core.model import Author, AuthorKind

ANN = Author("uid:1000", "ann", AuthorKind.LOCAL)
BEN = Author("uid:1001", "ben", AuthorKind.LOCAL)


def test_somebody_who_follows_twice_is_here_once() -> None:
    """From the first time to the end of the last one; only that changes who is here."""
    hosts = Hosts()
    assert [hosts.enter(ANN, 1.0), hosts.enter(BEN, 2.0), hosts.enter(ANN, 3.0)] == [True, True, False]
    assert hosts.here() == [(ANN, 1.0), (BEN, 2.0)]
    assert [hosts.leave(ANN), hosts.leave(ANN)] == [False, True]
    assert hosts.here() == [(BEN, 2.0)]
