"""Files in and out: written aside and renamed, safetensors, IDX, MXNet's `.params`. Import the submodule you need."""
