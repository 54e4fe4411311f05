"""LaunchSpecs become processes that leave nothing behind."""
