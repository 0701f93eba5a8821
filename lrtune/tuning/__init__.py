"""Tuning: the search space, trainers, the search with its record and result (needs optuna)."""
