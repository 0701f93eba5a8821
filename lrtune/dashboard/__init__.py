"""The Optuna dashboard over a record: what it shows of a study is told when it asks.

Nothing is written to the record for it: notes, attributes, figures and pictures are made from what
the search recorded, when a page asks for them.
"""
