"""The label table: dense, complete, and never reordered."""

import hashlib

from scenes.house.asset_table import asset_table
from scenes.house.labels import GROUPS, class_id, label_table


def test_ids_count_from_zero_and_fit_a_byte():
    table = label_table()
    assert [label.id for label in table] == list(range(len(table)))
    assert len(table) <= 256
    assert (table[0].name, table[0].group) == ("nothing", "void")
    assert len({label.name for label in table}) == len(table)


def test_every_object_type_of_the_asset_table_has_its_own_class():
    types = {asset.type for asset in asset_table().values()}
    ids = {class_id(name) for name in types}
    assert len(ids) == len(types)
    assert class_id("OtherObject") not in ids


def test_a_type_it_does_not_know_is_another_object():
    assert class_id("Aquarium") == class_id("OtherObject") != 0


def test_groups_are_those_of_the_task_and_all_used():
    assert {label.group for label in label_table()} == set(GROUPS)
    groups = {label.name: label.group for label in label_table()}
    assert groups["Sofa"] == "sofa"
    assert groups["Skirting"] == "wall"
    assert groups["Mug"] == "object"


def test_the_order_is_the_one_that_stores_were_written_with():
    """New names go to the end: the first 116 rows must hash as they did when the first store was written."""
    rows = "\n".join(f"{label.id} {label.name} {label.group}" for label in label_table()[:116])
    assert hashlib.sha256(rows.encode()).hexdigest() == (
        "9426f8b84bf8c4ffdb3d6ae8abe293f45376923aedf544d46c51add4af54a6d9"
    )
