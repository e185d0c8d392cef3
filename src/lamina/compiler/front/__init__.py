"""The front of the compiler: what a user's function reads and writes, guarded, captured, and called as it was.

It knows machines only as a `lamina.compiler.target.Target`.
"""
