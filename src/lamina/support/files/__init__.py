"""File formats, such as safetensors, IDX and MXNet's `.params`, and atomic writes; import a submodule directly."""
