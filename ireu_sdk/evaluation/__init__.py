"""Measuring what a removal did: identity, fidelity, features, and the statistics around them."""
