"""A Postman collection in the style of the published one, run by newman: hard-coded addresses that
are rewritten as its users do, variables of an environment, bodies without a content type."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest
import urllib.parse

import harness
from people import People

NEWMAN = "newman@6.2.2"
RUN_SECONDS = 120
HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, "..", "..", "build", "newman")


def installed():
    """The newman program, installed at the first call; None where npm or its registry is not to be
    had."""
    program = os.path.abspath(os.path.join(FOLDER, "node_modules", ".bin", "newman"))
    if not os.path.exists(program) and shutil.which("npm"):
        os.makedirs(FOLDER, exist_ok=True)
        with open(os.path.join(FOLDER, "package.json"), "w", encoding="utf-8") as file:
            file.write('{"private": true}\n')
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--no-save", NEWMAN],
                       cwd=FOLDER, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       timeout=300, check=False)
    return program if os.path.exists(program) else None


def redirected(value, base):
    """The collection with another address instead of the original's."""
    target = urllib.parse.urlsplit(base)
    if isinstance(value, list):
        return [redirected(item, base) for item in value]
    if not isinstance(value, dict):
        return value
    value = {name: redirected(item, base) for name, item in value.items()}
    if value.get("host") == ["platform", "adobe", "io"]:
        value.update(protocol=target.scheme, host=target.hostname.split("."),
                     port=str(target.port),
                     raw=value["raw"].replace("https://platform.adobe.io", base))
    return value


class PostmanTest(harness.ClientTest):
    def test_the_collection(self):
        newman = installed()
        if newman is None:
            self.skipTest("SKIPPED, nothing was run: npm cannot install " + NEWMAN)
        people = People(self.server)
        with open(os.path.join(HERE, "postman", "segmentation.postman_collection.json"),
                  encoding="utf-8") as file:
            collection = redirected(json.load(file), self.server.base)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "collection.json")
            with open(path, "w", encoding="utf-8") as file:
                json.dump(collection, file)
            done = subprocess.run(
                [newman, "run", path, "--environment",
                 os.path.join(HERE, "postman", "local.postman_environment.json"),
                 "--env-var", "DATASET_ID=" + people.exports, "--color", "off",
                 "--reporter-cli-no-banner", "--timeout-request", "20000"],
                capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
        self.assertEqual(done.returncode, 0, done.stdout[-12000:] + done.stderr[-2000:])
        self.assertIn("assertions", done.stdout)


if __name__ == "__main__":
    unittest.main()
