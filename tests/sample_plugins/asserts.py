"""An adapter that fails on one of two targets as CUDA fails after a label out of range."""

from dabench import Adapter


class Asserts(Adapter):
    """Fail on the target "pale", and change nothing on others."""

    name = "asserts"

    def adapt(self, net, sources, target, trainer):
        """Fail on one target."""
        if target.name == "pale":
            raise RuntimeError("CUDA error: device-side assert triggered")
        return net
