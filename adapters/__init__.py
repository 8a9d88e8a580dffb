"""First-party adaptation methods (imported as dabench.adapters), one file each, named after the method.

A new file with an Adapter class is found automatically. CONTRIBUTING.md shows how to write one.
"""
