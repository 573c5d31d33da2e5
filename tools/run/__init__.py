"""What `make run` does once everything is built: agreement, training, report."""
