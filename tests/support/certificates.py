"""Certificates of the tests' own making."""

import subprocess
from pathlib import Path

Pair = tuple[Path, Path]
"""The files of a certificate and its key."""


def make_pair(directory: Path, name: str, *options: str) -> Pair:
    """Make a certificate for `localhost` that signs itself, and its key."""
    certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-x509", "-days", "2")
    whom = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    files = ("-keyout", str(key), "-out", str(certificate))
    subprocess.run(["openssl", "req", *kind, *whom, *files, *(options or ("-nodes",))], check=True, capture_output=True)
    return certificate, key
