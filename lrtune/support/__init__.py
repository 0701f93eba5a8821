"""Helpers for files, secrets, signals, processes and BLAS threads."""
