"""Compound III: see the modules."""
