from lamina.mxnet.np import *
