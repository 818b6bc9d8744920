"""Tables as files and as terminal pictures."""
