"""Base class of datasets that are read from files."""

from __future__ import annotations

from dabench import DataError, Dataset


class RawFiles(Dataset):
    """A dataset read from files. Options may set short name, license and citation; errors name the dataset."""

    name = ""

    def __init__(self, options: object = None, variant: str = "") -> None:
        super().__init__(options, variant)
        for fact in ("short_name", "license", "citation"):
            setattr(self, fact, getattr(self.options, fact, "") or getattr(self, fact))

    @property
    def who(self) -> str:
        """The name of the dataset in messages."""
        return f"dataset '{self.name}'"

    def error(self, what: str) -> DataError:
        """Return a DataError about the files."""
        return DataError(f"{self.who}: {what}")

    def refusal(self, *what: object) -> DataError:
        """Return a DataError about the files that ends with how to get them."""
        return self.error(f"{' '.join(map(str, what))}. {self.download_instructions}")
