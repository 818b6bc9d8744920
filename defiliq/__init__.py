"""Exact on-chain liquidation ladders."""
