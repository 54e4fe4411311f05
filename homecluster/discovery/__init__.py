"""Finding clusters on the home network: what is announced, what is asked, what is believed of the answers."""
