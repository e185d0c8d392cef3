from lamina.mxnet.monitor import *
