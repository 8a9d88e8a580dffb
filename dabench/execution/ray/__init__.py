"""The engine on Ray Tune."""
