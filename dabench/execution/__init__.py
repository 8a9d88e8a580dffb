"""Execute a plan: single runs, the queue, the engines, progress and status."""
