from lamina.mxnet.engine import *
