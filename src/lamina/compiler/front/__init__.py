"""The compiler's front end: capture, guards and calls of users' functions.

It uses machines only through `lamina.compiler.target.Target`.
"""
