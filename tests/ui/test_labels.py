"""Errors in the words of the page."""

import pytest

from t2v.errors import ConfigError, FileError, MediaError
from t2v.provenance import read_provenance
from t2v.ui.labels import sentence


def test_an_error_is_a_sentence_with_the_labels_of_the_page():
    assert sentence(MediaError("there is no `file`")) == "There is no file"
    assert sentence(ConfigError("num_chunks must be more")) == "Chunks must be more"
    assert sentence(FileError("a.mp4 has no frames")) == "a.mp4 has no frames"


@pytest.mark.parametrize("name", ["my notes.json", "é.json", "x.mp4"])
def test_the_name_of_a_file_keeps_its_case(tmp_path, name):
    (tmp_path / name).write_text("no settings")
    with pytest.raises(MediaError) as error:
        read_provenance(tmp_path / name)
    assert name in sentence(error.value)
