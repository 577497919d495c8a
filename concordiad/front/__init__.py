"""The ways in: who calls, what they may, and what they are answered."""
