"""Pages of listings, alone."""

from collections.abc import Iterator

import pytest

from concordiad.core.portions import first_portion


@pytest.mark.parametrize(
    ("sizes", "most", "portion"),
    [
        ([], 3, ([], False)),
        ([1, 1], 3, ([1, 1], False)),
        ([1, 1, 1, 1], 3, ([1, 1, 1], True)),
        ([4, 4, 2, 1], 9, ([4, 4, 2], True)),
        ([4, 4, 2], 9, ([4, 4, 2], False)),
        ([99, 1], 9, ([99], True)),
        ([1, 99, 1], 9, ([1], True)),
    ],
)
def test_a_portion_is_what_fits_and_at_least_one(sizes: list[int], most: int, portion: tuple[list[int], bool]) -> None:
    """Ten together; and whether there are more is known."""
    assert first_portion(sizes, most, 10, int) == portion


def test_no_more_is_read_than_need_be() -> None:
    """Only the first that does not fit is looked at, and left out."""
    read = []

    def things() -> Iterator[int]:
        for size in range(4, 100):
            read.append(size)
            yield size

    first_portion(things(), 50, 10, int)
    assert read == [4, 5, 6]
