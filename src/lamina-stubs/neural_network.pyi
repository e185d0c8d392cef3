from lamina.estimators.neural_network import *
