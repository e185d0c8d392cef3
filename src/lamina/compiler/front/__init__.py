"""The compiler's front end: capture of users' functions, guards on their dependencies, and calls.

Its only interface to machines is `lamina.compiler.target.Target`.
"""
