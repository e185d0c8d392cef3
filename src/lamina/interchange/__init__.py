"""Import of networks from ONNX files, fitted scikit-learn estimators and PyTorch state_dicts."""

from lamina.interchange.network import ImportedNetwork
from lamina.interchange.onnx_in import import_onnx
from lamina.interchange.sklearn_in import from_sklearn
from lamina.interchange.state_dict import load_state_dict

__all__ = ["ImportedNetwork", "from_sklearn", "import_onnx", "load_state_dict"]
