from lamina.mxnet.io import *
