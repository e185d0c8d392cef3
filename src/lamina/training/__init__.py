"""What every training shares: the loop over epochs, what watches it, its checkpoints, its folder, its curves."""
