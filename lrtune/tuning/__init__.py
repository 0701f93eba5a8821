"""The tuning floor: search space, record, search and its result (optuna)."""
