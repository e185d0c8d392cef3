"""Files in and out: IDX, MXNet's `.params`, safetensors, atomic writing. Import the submodule you need."""

__all__: list[str] = []
