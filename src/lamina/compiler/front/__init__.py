"""The compiler's front end: capture and calls of users' functions, and guards on what they depend on.

Its only interface to machines is `lamina.compiler.target.Target`.
"""
