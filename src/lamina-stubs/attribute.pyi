from lamina.mxnet.attribute import *
