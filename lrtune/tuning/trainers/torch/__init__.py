"""The trainer of a person's own torch module: many settings at once, or one by one."""
