"""Faults of AWS, each switched on by its name."""
