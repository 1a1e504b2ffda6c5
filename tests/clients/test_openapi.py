"""The document of /openapi.json against the server that serves it: its examples and links, followed
one by one, and schemathesis: whatever its schemas allow, and what they do not, is answered as it
says and never with a 5xx."""

import os
import re
import subprocess
import sys
import tempfile
import unittest
import urllib.parse

import harness
from people import People, until

SEED = 20261123
RUN_SECONDS = int(os.environ.get("MUSTER_SCHEMATHESIS_SECONDS", "75"))
TAGS = ["audiences", "definitions", "conversion", "jobs", "exports", "previews", "schedules",
        "search", "external", "muster"]
CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance",
          "response_headers_conformance", "response_schema_conformance",
          "ensure_resource_availability"]
SAMPLE_ID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}$")
METHODS = ("get", "post", "put", "patch", "delete")


class DocumentTest(harness.ClientTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people = People(cls.server)
        cls.document = cls.server.request("GET", "/openapi.json")[1]
        cls.operations = {}
        for path, item in cls.document["paths"].items():
            item = cls.resolve(item)
            for method in METHODS:
                if method in item:
                    cls.operations.setdefault(item[method]["operationId"],
                                              (method, path, item[method]))
        cls.n = 0

    @classmethod
    def resolve(cls, value):
        while isinstance(value, dict) and "$ref" in value:
            target = cls.document
            for part in value["$ref"][2:].split("/"):
                target = target[part]
            value = target
        return value

    # -------- sending --------

    def send(self, operation, parameters=None, body=None, expected=None):
        """Sends a request, holds the answer against the document, returns it."""
        import jsonschema

        method, path, described = self.operations[operation]
        query = {}
        for name, value in (parameters or {}).items():
            if "{%s}" % name in path:
                path = path.replace("{%s}" % name, urllib.parse.quote(str(value), safe=""))
            else:
                query[name] = value
        if query:
            path += "?" + urllib.parse.urlencode(query)
        status, answer = self.server.request(method.upper(), path, body)
        label = "%s %s %s -> %d %s" % (method, path, body or "", status, answer)
        self.assertIn(str(status), described["responses"], label)
        if expected is not None:
            self.assertIn(status, expected, label)
        response = self.resolve(described["responses"][str(status)])
        for media in response.get("content", {}).values():
            schema = {**media["schema"], "components": self.document["components"]}
            errors = list(jsonschema.Draft202012Validator(schema).iter_errors(answer))
            self.assertEqual([error.message for error in errors], [], label)
        return answer

    def succeeded(self, operation):
        return [int(status) for status in self.operations[operation][2]["responses"]
                if re.fullmatch("2[0-9][0-9]", status)]

    def examples(self, operation):
        content = self.operations[operation][2].get("requestBody", {}).get("content", {})
        for media in content.values():
            for example in media.get("examples", {}).values():
                body = self.known(example["value"])
                for name in {"name", "audienceId"} & set(body if isinstance(body, dict) else ()):
                    body[name] = self.unique(body[name])
                yield body

    def known(self, value):
        """An example with ids that there are."""
        if isinstance(value, dict):
            return {name: self.known(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.known(item) for item in value]
        if value == "ada.marsh@example.com":
            return self.people.address(0)
        if isinstance(value, str) and SAMPLE_ID.match(value):
            return self.definition()
        return value

    def unique(self, text):
        type(self).n += 1
        return "%s-%d" % (text, self.n)

    def definition(self):
        return self.send("createDefinition", body={
            "name": self.unique("Definition"), "schema": {"name": "_xdm.context.profile"},
            "expression": {"type": "PQL", "format": "pql/text",
                           "value": 'workAddress.country = "US"'}}, expected=[200])["id"]

    def schedule(self):
        return self.send("createSchedule", expected=[200], body={
            "name": self.unique("Schedule"), "type": "batch_segmentation",
            "properties": {"segments": [self.definition()]}, "schedule": "0 0 1 * * ?"})["id"]

    def external(self):
        made = self.send("createExternalAudience", body=next(self.examples(
            "createExternalAudience")), expected=[202])["operationId"]
        return until(lambda: self.send("getExternalOperation", {"operation": made}).get(
            "audienceId"), what="an external audience")

    def own(self, operation):
        """Parameters of the path of an operation, with ids that there are."""
        made = {"listVersions": self.definition, "putAudience": self.definition,
                "patchAudience": self.definition, "patchDefinition": self.definition,
                "patchSchedule": self.schedule, "patchExternalAudience": self.external,
                "runExternalAudience": self.external}
        parameters = {"id": made[operation]()} if operation in made else {}
        if operation == "createExternalMetadata":
            parameters["createAudienceMetaOnly"] = "true"
        return parameters

    def body_for(self, operation, body):
        if operation in ("addToSchedule", "removeFromSchedule", "triggerSchedule"):
            return {**body, "id": self.schedule()}
        return body

    # -------- tests --------

    def test_the_document(self):
        self.assertEqual(self.document["openapi"], "3.1.0")
        import jsonschema

        for schema in self.document["components"]["schemas"].values():
            jsonschema.Draft202012Validator.check_schema(schema)

    def test_every_example_is_taken(self):
        n = 0
        for operation in self.operations:
            for body in self.examples(operation):
                # A job of what is listed, while others wait, may be one too many.
                self.send(operation, self.own(operation), self.body_for(operation, body),
                          self.succeeded(operation) + [429])
                n += 1
        self.assertGreater(n, 20)

    def test_every_link_leads_on(self):
        n = 0
        for operation, (_, _, described) in self.operations.items():
            for status in self.succeeded(operation):
                links = described["responses"][str(status)].get("links", {})
                for link in links.values():
                    self.follow(operation, status, link)
                    n += 1
        self.assertGreater(n, 20)

    def follow(self, operation, status, link):
        body = next(self.examples(operation), None)
        answer = until(lambda: self.made(operation, body, status), what=operation)
        parameters = {name: self.value(answer, text) for name, text in link["parameters"].items()}
        target = link["operationId"]
        body = link.get("requestBody") or next(self.examples(target), None)
        self.send(target, parameters, body, self.succeeded(target))

    def made(self, operation, body, status):
        """The answer; None while too many wait."""
        answer = self.send(operation, self.own(operation), self.body_for(operation, body),
                           [status, 429])
        return None if isinstance(answer, dict) and answer.get("status") == 429 else answer

    @staticmethod
    def value(answer, text):
        for part in text.split("#/")[1].split("/"):
            answer = answer[int(part)] if isinstance(answer, list) else answer[part]
        return answer


class SchemathesisTest(harness.ClientTest):
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
