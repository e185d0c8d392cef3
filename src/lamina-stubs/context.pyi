from lamina.device.context import *
