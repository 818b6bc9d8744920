"""How prices hang on what really moves: integer quantities, the graph they make, and drivers through it."""
