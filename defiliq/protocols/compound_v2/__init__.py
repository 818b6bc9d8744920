"""Compound v2: see the modules."""
