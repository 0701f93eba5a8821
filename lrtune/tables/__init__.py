"""Reading tables as X, y and the preprocessing that their columns need."""
