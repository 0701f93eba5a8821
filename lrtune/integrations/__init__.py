"""Schedules and reports for frameworks that own the training loop; each has a module."""
