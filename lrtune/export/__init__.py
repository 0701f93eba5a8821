"""A schedule as source code for another library."""
