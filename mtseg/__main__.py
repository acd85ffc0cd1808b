"""`python -m mtseg`, the same as `mtseg`."""

from mtseg.cli import main

if __name__ == "__main__":
    main()
