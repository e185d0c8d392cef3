"""The common part of all trainings: epoch loop, observers, checkpoints, run folder, learning curves."""
