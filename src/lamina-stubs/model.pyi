from lamina.mxnet.model import *
