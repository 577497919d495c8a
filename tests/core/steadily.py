"""Hypothesis without chance or haste: the same examples every time, and no deadline on a busy machine."""

from hypothesis import settings
from hypothesis import strategies as st

steadily = settings(derandomize=True, deadline=None, max_examples=200)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
