"""The model over the ladder: heat, clusters, magnets, cascades. Floats, and nothing that asks a node."""
