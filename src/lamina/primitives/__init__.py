"""All primitives, with a module for each family; importing this package fills the registry."""

# These import the other families: contract, elementwise, indexing, movement, reduce.
from lamina.primitives import linalg, product, random, softmax, views

__all__ = ["linalg", "product", "random", "softmax", "views"]
