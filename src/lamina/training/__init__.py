"""The common part of all trainings: the loop over epochs, observers, checkpoints, folder, curves."""
