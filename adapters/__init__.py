"""First-party adaptation methods (imported as dabench.adapters), one file each, named after the method.

A new file with an Adapter class in it is found at once; nothing else is edited. CONTRIBUTING.md shows how to write one.
"""
