"""Modules that all other packages use, such as file formats, messages and argument checks."""
