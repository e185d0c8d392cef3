from lamina.gluon.metric import *
