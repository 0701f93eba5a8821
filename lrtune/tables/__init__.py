"""From a file to X, y and the preprocessing that its columns need."""
