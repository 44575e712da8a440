"""Names and folders that learners choose: none reaches another learner's, none stops the walk."""

from hypothesis import given
from hypothesis import strategies as st

from gencourse.grading.preflight import notebooks_below
from gencourse.grading.results import safe_name

NAMES = st.text(min_size=1, max_size=300)


@given(NAMES)
def test_a_stored_name_is_a_file_name_that_every_system_takes(student):
    name = safe_name(student)
    assert 0 < len(name.encode()) <= 130
    assert "/" not in name
    assert "\0" not in name
    assert not name.startswith(".")


@given(NAMES)
def test_nobody_can_be_called_what_another_is_stored_as(student):
    """A name that had to be changed is stored under one that is itself changed when stored."""
    stored = safe_name(student)
    assert stored == student or safe_name(stored) != stored


def test_a_link_to_another_learners_folder_is_not_followed(tmp_path):
    victim, thief = tmp_path / "victim" / "02-vae", tmp_path / "thief"
    victim.mkdir(parents=True)
    (victim / "02-vae.ipynb").write_text("{}")
    thief.mkdir()
    (thief / "02-vae").symlink_to(victim, target_is_directory=True)
    assert list(notebooks_below(thief, "02-vae")) == []
    assert len(list(notebooks_below(tmp_path / "victim", "02-vae"))) == 1


def test_folders_too_deep_are_left_alone(tmp_path):
    folder = tmp_path
    for _ in range(100):
        folder = folder / "a"
    folder.mkdir(parents=True)
    (folder / "x.ipynb").write_text("{}")
    assert list(notebooks_below(tmp_path, "02-vae")) == []
