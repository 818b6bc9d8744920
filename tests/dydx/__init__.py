"""What tests of dYdX v4 share."""
