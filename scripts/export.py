"""Export a run's model, as `rnnlab-export` does, from a checkout as it is."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
    from rnnlab.cli.export import main

    sys.exit(main())
