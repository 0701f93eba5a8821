"""Learning-rate schedules: pure functions of time, and the plateau decay, which follows losses."""
