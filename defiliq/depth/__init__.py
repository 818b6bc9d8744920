"""What trading an asset does to its price: pools, curves and impact models, in exact integers."""
