"""The compiler's front end: guards, capture and calls of users' functions.

It knows machines only as a `lamina.compiler.target.Target`.
"""
