"""Where the weights of a preset are downloaded from, and the types of values in preset files."""

import re
from dataclasses import field
from typing import Annotated, no_type_check

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass


def check_file_name(name: str) -> str:
    """Refuses names that could lead out of a folder."""
    if not name.strip() or name.startswith("/") or ".." in name.split("/"):
        raise ValueError("not a file inside a folder")
    return name


# The description of a type is what an error says that a value must be.
FileName = Annotated[str, AfterValidator(check_file_name)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Side = Annotated[int, Field(strict=True, gt=0)]
Text = Annotated[str, Field(pattern=r"\S", description="text")]
Size = Annotated[tuple[Side, Side], Field(description="[height, width]")]
Count = Annotated[int, Field(strict=True, gt=0, description="a whole number from 1")]
Amount = Annotated[float, Field(strict=True, ge=0, description="a number from 0")]
Switch = Annotated[bool, Field(strict=True, description="true or false")]
STRICT = ConfigDict(extra="forbid")


@no_type_check  # pydantic checks the values; beartype must not come before it
@dataclass(frozen=True, kw_only=True, config=STRICT)
class WeightSource:
    """A public home of files that a preset's weights are made of."""

    repo: Annotated[str, Field(pattern=r"^[^\s/]+/[^\s/]+$", description="owner/name")]
    revision: Annotated[str, Field(pattern=r"\S", description="a commit or branch")]
    licence: Text
    gigabytes: Amount  # to download
    installed_gigabytes: Amount  # on disk, converted to half precision
    # purpose -> names of files; the first that exists is taken
    files: Annotated[
        dict[str, Annotated[tuple[FileName, ...], Field(min_length=1)]],
        Field(description="a table of lists of file names"),
    ] = field(default_factory=dict)
    # models in diffusers' layout, of which all files are taken as they are; "." is the repository's
    # own folder, where a model lies in it
    folders: Annotated[tuple[FileName, ...], Field(description="a list of names of folders")] = ()
    # the subfolder of the preset's weights that these folders are put into, or "." itself
    into: Annotated[str, Field(pattern=r"^\w*$", description="the name of a folder")] = ""
    # name -> digest, where it is known beforehand
    sha256: Annotated[dict[str, Digest], Field(description="a table of SHA-256 digests")] = field(
        default_factory=dict
    )

    @property
    def page(self) -> str:
        return f"https://huggingface.co/{self.repo}"

    @property
    def is_pinned(self) -> bool:
        """Whether its revision is a commit, which never changes."""
        return re.fullmatch("[0-9a-f]{40}", self.revision) is not None

    @property
    def is_refiner(self) -> bool:
        """Whether it belongs to the refiner: the preset makes videos without it."""
        return any(use.startswith("refiner") for use in self.files)
