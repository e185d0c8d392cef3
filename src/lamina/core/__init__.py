"""The core: arrays, primitive operators with their single entry point `bind`, and the tape for gradients."""
