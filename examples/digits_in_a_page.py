"""Can anybody try my network? Digits drawn in a page.

python examples/digits_in_a_page.py

Trains on MNIST's digits, which are part of lamina. The run's folder has a page with the network inside: it opens in any
browser, also on a phone, without a server, and reads what is drawn with the mouse or a finger.
"""

import subprocess
import sys
from pathlib import Path

command = ["train", "mnist", "--hidden", "64", "--epochs", "2", "--out", "digits"]
subprocess.run([sys.executable, "-m", "lamina", *command], check=True)
page = Path("digits/page.html")
print(f"{page.resolve().as_uri()} has {page.stat().st_size / 1024:.0f} KiB; open it, and draw")
