"""What an engine can run and how to ask it; never imports one."""
