"""dYdX v4, a chain of its own, as a lending protocol: longs borrow USDC, shorts borrow what they sold."""
