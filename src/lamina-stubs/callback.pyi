from lamina.mxnet.callback import *
