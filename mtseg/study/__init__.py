"""Published studies, each from data to its tables with one command."""
