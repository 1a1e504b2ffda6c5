"""schemathesis on the document of /openapi.json: whatever its schemas allow, and what they do not,
is answered as it says and never with a 5xx; links lead from what was made to it."""

import os
import subprocess
import sys
import tempfile
import unittest

import harness
from people import People

SEED = 20261123
RUN_SECONDS = int(os.environ.get("MUSTER_SCHEMATHESIS_SECONDS", "75"))
TAGS = ["audiences", "definitions", "conversion", "jobs", "exports", "previews", "schedules",
        "search", "external", "muster"]
CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance",
          "response_headers_conformance", "response_schema_conformance",
          "ensure_resource_availability"]


class OpenApiTest(harness.ClientTest):
    def test_the_document(self):
        status, document = self.server.request("GET", "/openapi.json")
        self.assertEqual((status, document["openapi"]), (200, "3.1.0"))
        import jsonschema

        for schema in document["components"]["schemas"].values():
            jsonschema.Draft202012Validator.check_schema(schema)

    def test_schemathesis(self):
        People(self.server)
        here = os.path.dirname(os.path.abspath(__file__))
        command = [os.path.join(os.path.dirname(sys.executable), "schemathesis"), "run",
                   self.server.base + "/openapi.json", "--checks", ",".join(CHECKS),
                   "--seed", str(SEED), "--max-time", str(RUN_SECONDS), "--max-examples", "15",
                   "--request-timeout", "20", "--continue-on-failure", "--warnings", "off",
                   "-H", "Authorization: Bearer local", "-H", "x-api-key: local",
                   "-H", "x-gw-ims-org-id: " + harness.ORGANIZATION, "-H", "x-sandbox-name: prod"]
        for tag in TAGS:
            command += ["--include-tag", tag]
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, check=False,
                timeout=RUN_SECONDS * 4,
                env={**os.environ, "SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": here,
                     "NO_COLOR": "1"})
        self.assertEqual(done.returncode, 0, done.stdout[-20000:] + done.stderr[-4000:])


if __name__ == "__main__":
    unittest.main()
