from lamina.mxnet.npx import *
