"""What all other packages use: file formats, messages, argument checks, names of modules."""
