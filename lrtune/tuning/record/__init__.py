"""The record of a study: its schema, and the storage that keeps it."""
