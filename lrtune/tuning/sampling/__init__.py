"""Sampling: which settings are tried next."""
