from lamina.mxnet.test_utils import *
