"""The basis of all trainings: the epoch loop, observers, checkpoints, run folders, learning curves."""
