"""Learning-rate schedules: pure functions of time, and the loss-driven plateau decay."""
