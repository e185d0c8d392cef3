from lamina.mxnet.util import *
