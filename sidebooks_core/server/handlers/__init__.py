"""What is done at each address. The table of routes (`server.routes`) says which handler serves which."""
