from lamina.mxnet.module import *
