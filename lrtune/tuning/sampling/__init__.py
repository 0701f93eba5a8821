"""Sampling of settings: blocks, pruners, and schedules for other Optuna studies."""
