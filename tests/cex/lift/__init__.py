"""How much better than chance estimated levels are: what docs/lift.md says."""
