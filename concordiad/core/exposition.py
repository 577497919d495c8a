"""
Measures as text for Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/, 0.0.4).

A family is a name, its help and its samples. This is little enough that a library, which would cost some MB and brings
a registry with locks that nobody needs here, is not worth it; promtool reads the whole of it in a test.
"""

from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Final, NamedTuple

from concordiad.core.figures import Histogram

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
Labels = Mapping[str, str]
Sample = tuple[Labels, float]


class Family(NamedTuple):
    """A name and what is measured under it: `kind` is counter, gauge or histogram."""

    name: str
    kind: str
    help: str
    samples: Iterable[tuple[Labels, float | Histogram]]


def write(families: Iterable[Family]) -> str:
    """Write families, each whose samples are not empty."""
    return "".join(f"{line}\n" for family in families for line in _lines(family))


def _lines(family: Family) -> Iterable[str]:
    lines = [line for labels, value in family.samples for line in _sample(family.name, labels, value)]
    if not lines:
        return []
    return [f"# HELP {family.name} {_escape(family.help)}", f"# TYPE {family.name} {family.kind}", *lines]


def _sample(name: str, labels: Labels, value: float | Histogram) -> list[str]:
    if not isinstance(value, Histogram):
        return [f"{name}{_labels(labels)} {_number(value)}"]
    bounds = [*map(_number, value.bounds), "+Inf"]
    counted = list(accumulate(value.counts))
    buckets = [
        f"{name}_bucket{_labels({**labels, 'le': bound})} {count}" for bound, count in zip(bounds, counted, strict=True)
    ]
    return [
        *buckets,
        f"{name}_sum{_labels(labels)} {_number(value.sum)}",
        f"{name}_count{_labels(labels)} {counted[-1]}",
    ]


def _labels(labels: Labels) -> str:
    inside = ",".join(f'{name}="{_escape(value, quote=True)}"' for name, value in labels.items())
    return f"{{{inside}}}" if inside else ""


def _escape(text: str, *, quote: bool = False) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quote else text


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(float(value))
