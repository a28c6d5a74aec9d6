"""Attempts to break what the rest of the project built: `python -m tests.hardening --budget=short|long`."""
