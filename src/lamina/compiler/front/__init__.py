"""The compiler's front end: guards, capture and calls of users' functions.

It uses machines only through `lamina.compiler.target.Target`.
"""
