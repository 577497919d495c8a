"""What `setup` does, apart from talking to the person: each module sets up one thing."""
