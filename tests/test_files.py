import pandas as pd
import pytest

from mtseg.files import read_table, replacing, write_table


def test_a_block_that_succeeds_replaces_the_file(tmp_path):
    path = tmp_path / "deeper" / "a.nii.gz"
    for text in ("old", "new"):
        with replacing(path) as temporary:
            assert temporary.name == path.name
            temporary.write_text(text)
            assert not path.exists() or path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.rglob("*")) == [path.parent, path]


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_tables_read_back_the_same(tmp_path):
    table = pd.DataFrame({"participant_id": ["007", "8"], "volume_mm3": [1.5, None], "class": ["a", "b"]})
    write_table(table, tmp_path / "t.tsv")
    assert (tmp_path / "t.tsv").read_text() == "participant_id\tvolume_mm3\tclass\n007\t1.5\ta\n8\tn/a\tb\n"
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.tsv"), table, check_dtype=False)


@pytest.mark.parametrize("names", [("None", "Some"), ("NA", "null"), ("01", "1"), ("True", "False")])
def test_classes_read_back_as_they_are_spelt(tmp_path, names):
    table = pd.DataFrame({"participant_id": ["NA", "b", "c"], "class": [*names, None], "age": [1.5, None, 3]})
    write_table(table, tmp_path / "t.tsv")
    back = read_table(tmp_path / "t.tsv", text=["class"])
    pd.testing.assert_frame_equal(back, table, check_dtype=False)
