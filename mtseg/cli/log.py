"""What a command says while it works."""


def log_to_terminal() -> None:
    """Show mtseg's own messages, and of MONAI and pydicom only errors: they warn of every optional part they lack."""
    import logging
    import warnings

    import rich
    from rich.logging import RichHandler

    warnings.filterwarnings("ignore", module="monai")
    rich.reconfigure(stderr=True)
    # One console for lines and progress bar, or they would overwrite each other; a file gets plain, unwrapped lines.
    in_terminal = RichHandler(show_time=False, show_level=False, show_path=False)
    handler = in_terminal if rich.get_console().is_terminal else logging.StreamHandler()
    logging.basicConfig(level=logging.ERROR, format="%(message)s", handlers=[handler])
    logging.getLogger("mtseg").setLevel(logging.INFO)
