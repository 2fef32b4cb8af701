"""What the web services share: whom they believe about the client, and their access log."""
