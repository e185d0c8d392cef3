"""The front of the compiler: finds what a function reads and writes, guards it, and binds buffers to slots."""
