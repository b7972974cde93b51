"""Searches: many runs of one experiment with settings that differ, and the best of them."""
