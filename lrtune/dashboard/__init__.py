"""The Optuna dashboard over a record, with notes, attributes, figures and pictures added.

These are computed when a page requests them; nothing is written to the record.
"""
