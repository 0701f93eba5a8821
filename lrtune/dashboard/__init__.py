"""The Optuna dashboard over a record, with notes, attributes, figures and pictures added.

They are made from the record when a page asks for them; nothing is written to the record.
"""
