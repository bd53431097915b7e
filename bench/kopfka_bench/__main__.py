"""`python -m kopfka_bench` is `kopfka bench`."""

import sys

from kopfka_bench.main import main

if __name__ == "__main__":  # loads are processes of their own, which import this module again
    sys.exit(main())
