"""The common base of all packages: files, messages, checks of arguments, names of modules."""
