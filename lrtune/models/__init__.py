"""Fitted models in files that are safe to load."""
