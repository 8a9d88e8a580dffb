"""First-party backbones, one file each. A new file with a Backbone class in it is found at once; nothing else is edited."""
