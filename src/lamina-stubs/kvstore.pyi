from lamina.mxnet.kvstore import *
