"""Pages of listings, alone."""

from collections.abc import Iterator

import pytest

from concordiad.core.portions import PART_CHARS, first_portion, text_parts, utf8_bytes


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


@pytest.mark.parametrize("size", [0, 1, PART_CHARS - 1, PART_CHARS, PART_CHARS + 1, 3 * PART_CHARS])
@pytest.mark.parametrize("letter", ["a", "é", "漢", "😀"])
def test_a_text_is_the_same_by_the_part(letter: str, size: int) -> None:
    """Wherever the parts meet; none is longer than one may be."""
    text = letter * size
    assert "".join(text_parts(text)) == text
    assert all(len(part) <= PART_CHARS for part in text_parts(text))
    assert utf8_bytes(text) == len(text.encode())


def test_half_of_a_pair_is_found_in_any_part() -> None:
    """It cannot be written as UTF-8."""
    with pytest.raises(UnicodeEncodeError):
        utf8_bytes("é" * 2 * PART_CHARS + "\ud800")
