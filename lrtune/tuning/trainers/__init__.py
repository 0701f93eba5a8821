"""Trainers, which train settings on replicates: the protocol, and lrtune's networks."""
