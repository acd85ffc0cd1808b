"""The same as `mtseg volumes habenula`: T1-weighted heads in, masks and volumes of both habenulae out."""

import sys

from mtseg.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["volumes", "habenula"]
    main()
