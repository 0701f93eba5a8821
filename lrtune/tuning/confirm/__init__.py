"""Confirmation: a race of the best settings on fresh replicates, and the winner's measurement."""
