"""How much breaks where ETH falls: seeded accounts on real parameters, and what is published."""
