"""
What `rpc.discover` answers: the description of the wire that this daemon speaks.

`python -m concordiad.front.discovery > docs/openrpc.json` writes it for those who have no daemon to ask.
"""

import json
import sys
from functools import cache
from typing import Any

import concordiad


@cache
def discover() -> dict[str, Any]:
    """Return the document; it is made when somebody asks for the first time."""
    # Hardly anybody asks, and what writes it takes a quarter of a MiB.
    from concordiad.core.openrpc import make_document  # noqa: PLC0415

    return make_document(concordiad.__version__)


def write() -> str:
    """Write the document for people and their tools."""
    return json.dumps(discover(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(write())
