from lamina.mxnet.runtime import *
