"""Files of runs and sweeps that are damaged at random: every command ends in order over them."""

import random

import pytest

from tests import damage
from tests.calls import call

pytestmark = pytest.mark.thorough


@pytest.mark.parametrize(
    ("files", "seed"), [(30, 1), *(pytest.param(500, n, marks=pytest.mark.slow) for n in (2, 3))]
)
def test_every_command_ends_in_order_over_damaged_files(files, seed, tmp_path):
    told: list[str] = []
    count = damage.campaign(tmp_path, files, seed, told.append)
    assert told == []
    assert count["files"] >= files


def test_every_command_does_its_work_where_nothing_is_damaged(tmp_path):
    world = damage.World(tmp_path)
    for subject, commands in damage.COMMANDS.items():
        for name, command in commands.items():
            world.mend()
            status, _, err = call(command.main, *command.words(world.place))
            assert status == 0, (subject, name, err)
    assert world.touched() == []


@pytest.mark.parametrize("way", damage.WAYS)
def test_every_way_damages_a_file(way, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/x").touch()
    path, before = tmp_path / "x.json", b'{"a": [1, "b"], "c": {"d": 2.5}}'
    path.write_bytes(before)
    damage.WAYS[way](path, random.Random(0), tmp_path / "out")
    assert (
        path.is_symlink()
        or not path.is_file()
        or path.stat().st_size > 2**30
        or (path.read_bytes() != before)
    )
