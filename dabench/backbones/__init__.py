"""First-party backbones, one file each. A new file with a Backbone class is found automatically."""
