from lamina.mxnet.operator import *
