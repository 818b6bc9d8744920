"""Block by block: what one block says of a market, what follows from it, and who is told."""
