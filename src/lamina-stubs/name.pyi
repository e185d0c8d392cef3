from lamina.gluon.name import *
