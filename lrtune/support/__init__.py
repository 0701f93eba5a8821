"""Files, secrets, signals and processes: what no other room should have to think about."""
