"""What running a daemon needs besides its purpose: ids and time, logs."""
