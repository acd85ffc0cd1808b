"""Export a bundle as an app for MONAI Label's server: python scripts/export_monailabel.py BUNDLE OUT [WEIGHTS].

The same as `mtseg bundle export BUNDLE --to monai-label --out OUT --weights WEIGHTS`.
"""

import sys

from mtseg.export import export

if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    name, out, *weights = sys.argv[1:]
    print(export(name, to="monai-label", out=out, weights=weights))
