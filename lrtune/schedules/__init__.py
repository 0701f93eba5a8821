"""Learning-rate schedules: pure functions of time, and the one that follows losses."""
