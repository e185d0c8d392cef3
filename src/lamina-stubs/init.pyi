from lamina.gluon.initializer import *
