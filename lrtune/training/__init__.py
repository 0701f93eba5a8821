"""Training of K settings of one network in lockstep, with NumPy alone."""
