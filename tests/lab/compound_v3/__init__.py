"""Compound III in the lab: two markets of our own Comet, with a population. See `lab.start_compound_v3`."""
