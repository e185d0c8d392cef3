from lamina.mxnet.visualization import *
