"""How Concordia leaves a checkout: what an installation consists of, its manual, `make install`, the Debian package."""
