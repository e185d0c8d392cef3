from lamina.mxnet.symbol import *
