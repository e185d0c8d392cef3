"""The common base of all packages: files, messages, argument checks, module names."""
