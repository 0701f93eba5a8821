"""The training floor: schedules, optimizers, the network and the lockstep population (numpy)."""
