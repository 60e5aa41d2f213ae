"""Ask a run's model about own data, as `rnnlab-predict` does, from a checkout as it is."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
    from rnnlab.cli.predict import main

    sys.exit(main())
