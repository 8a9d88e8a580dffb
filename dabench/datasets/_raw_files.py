"""What all sets share that are read from files; no dataset by itself."""

from __future__ import annotations

from dabench import DataError, Dataset


class RawFiles(Dataset):
    """Options may set short name, license and citation; refusals name the set."""

    name = ""

    def __init__(self, options: object = None, variant: str = "") -> None:
        super().__init__(options, variant)
        for fact in ("short_name", "license", "citation"):
            setattr(self, fact, getattr(self.options, fact, "") or getattr(self, fact))

    @property
    def who(self) -> str:
        """The set, for messages."""
        return f"dataset '{self.name}'"

    def error(self, what: str) -> DataError:
        """Return the error that says what is wrong with the files."""
        return DataError(f"{self.who}: {what}")

    def refusal(self, *what: object) -> DataError:
        """Return the error that says what is wrong with the files, and how to get them."""
        return self.error(f"{' '.join(map(str, what))}. {self.download_instructions}")
