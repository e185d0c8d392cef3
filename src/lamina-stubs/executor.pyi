from lamina.mxnet.symbol.executor import *
