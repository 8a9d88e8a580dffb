"""Pages on which people rate test images, on a server or from disk, and the answers that they give."""
