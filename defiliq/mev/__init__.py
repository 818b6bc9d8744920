"""What a level is worth to whoever takes it, and what triggers it. Dry: nothing here asks a node."""
