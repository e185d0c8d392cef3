from lamina.mxnet.base import *
