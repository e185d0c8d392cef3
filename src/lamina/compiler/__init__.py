"""The compiler: a user's training step, captured, fused and turned into machine code."""
