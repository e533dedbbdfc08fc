"""Stands in for the script that ansible-test downloads to put pip into its environments: pip comes from Python and
from PyPI instead, like all else."""

import ensurepip
import subprocess
import sys

ensurepip.bootstrap()
words = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", *words]))
