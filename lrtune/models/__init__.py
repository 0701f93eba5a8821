"""Fitted models saved to files that are safe to load."""
