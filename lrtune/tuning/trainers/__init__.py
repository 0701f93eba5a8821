"""Trainers: what can train settings on replicates."""
