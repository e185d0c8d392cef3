from lamina.mxnet.random import *
