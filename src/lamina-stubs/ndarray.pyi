from lamina.nd import *
