"""File formats: atomic writes, safetensors, IDX, MXNet's `.params`. Import the submodule you need."""
