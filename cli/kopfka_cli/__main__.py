"""`python -m kopfka_cli` is `kopfka`."""

import sys

from kopfka_cli.main import main

sys.exit(main())
