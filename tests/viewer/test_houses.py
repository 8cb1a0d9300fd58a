"""The house behind a store's frames."""

import json
import struct
from pathlib import Path

from tests.viewer.conftest import Serve
from tests.viewer.planted_run import plant_run


def test_a_space_is_matched_with_its_house_by_digest(serve: Serve, tmp_path: Path):
    plant_run(tmp_path)
    served = serve(tmp_path)
    (store,), (house,) = served.server.opened.found.stores, served.server.opened.found.houses
    facts = json.loads(served.get("api/house-of", store=store, space="bare-00")[2])
    assert facts == {"id": house, "name": "bare-00", "plan": [-0.5, -0.5, 2.5, 2.5]}
    assert served.get("api/plan", house=house, size=100)[1]["content-type"] == "image/png"
    status, headers, body = served.get("api/glb", house=house)
    assert (status, headers["content-type"]) == (200, "model/gltf-binary")
    assert struct.unpack("<4sII", body[:12]) == (b"glTF", 2, len(body))
    file = tmp_path / "stages" / "houses-a" / "houses" / "bare-00.json"
    changed = json.loads(file.read_text())
    changed["proceduralParameters"]["skyboxId"] = "another day"
    file.write_text(json.dumps(changed))
    assert json.loads(served.get("api/house-of", store=store, space="bare-00")[2]) is None
