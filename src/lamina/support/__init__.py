"""What every package stands on: files, messages, checks of arguments, names of modules."""
