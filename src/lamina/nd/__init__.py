"""Arrays and the functions of arrays, under MXNet 1.x's names."""

from lamina.nd import random
from lamina.nd.creation import arange, empty, eye, full, linspace, ones, ones_like, zeros, zeros_like
from lamina.nd.math import *  # noqa: F403
from lamina.nd.ndarray import NDArray, array
from lamina.nd.neural import log_softmax, one_hot, softmax
from lamina.nd.random import normal as random_normal
from lamina.nd.shape import broadcast_arrays, broadcast_to, concat, expand_dims, reshape, stack, transpose
