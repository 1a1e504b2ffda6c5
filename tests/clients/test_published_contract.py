"""Every operation and example of the published segmentation.yaml: sent as it is, and once more with
ids that this server knows; each answer must be as the schema of its status says."""

import copy
import os
import re
import unittest
import urllib.parse

import harness
import published
from people import IN_US, People, until

DOCUMENT = "segmentation.yaml"
UPS = "/data/core/ups"

# What differs from the document: (decision or section, operation, where in the answer, keyword).
# A row that excuses nothing any more fails the test.
EXCEPTIONS = [
    ("A27: ExternalSegment is what every sample has", r"/audiences", r"(^|/)type$", "enum"),
    ("api.md 8.1: any namespace is kept as it was sent", r"/audiences", r"(^|/)namespace$", "enum"),
    ("api.md 12.1: a job of all audiences lists none", r"/segment/jobs", r"/segments/0$",
     "required"),
    ("api.md 17.1: namespaces are flat, as its own example is", r"get /search/namespaces",
     r"/namespaces/\d+/namespace$", "type"),
    ("A62: sourceId is a string", r"get /search/entities", r"/entities/\d+/sourceId$", "type"),
]

# Schemas that are a slip, and what is meant: operation -> (decision, status, schema).
INSTEAD = {
    "get /segment/definitions": ("A42", 200, {
        "type": "object", "required": ["segments", "page", "link"], "properties": {
            "segments": {"type": "array",
                         "items": {"$ref": "#/components/schemas/SegmentDefinition"}},
            "page": {"type": "object"}, "link": {"type": "object"}}}),
}

operations = {}


def operation(name):
    def keep(function):
        assert name not in operations
        operations[name] = function
        return function
    return keep


def replaced(value, table):
    """The value with its texts looked up in the table."""
    if isinstance(value, dict):
        return {name: replaced(item, table) for name, item in value.items()}
    if isinstance(value, list):
        return [replaced(item, table) for item in value]
    return table.get(value, value) if isinstance(value, str) else value


@unittest.skipUnless(os.path.exists(published.path_of(DOCUMENT)),
                     "SKIPPED, nothing was compared: there is no " + published.path_of(DOCUMENT))
class ContractTest(harness.ClientTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people = People(cls.server)
        cls.published = published.Published(DOCUMENT)
        cls.used = set()
        policies = cls.server.request("GET", UPS + "/config/mergePolicies")[1]["children"]
        cls.policy = policies[0]["id"]
        cls.n = 0

    # -------- asking --------

    def ask(self, name, path=None, body=None, status=None, query=None):
        """Sends one request of an operation, checks the answer, returns its body. `path` fills the
        parameters of the path; `status` None: whatever is documented."""
        method, template = name.split(" ")
        target = UPS + re.sub(r"\{\w+\}", lambda match: urllib.parse.quote(path, safe=""), template)
        if query:
            target += "?" + urllib.parse.urlencode(query)
        answered, answer = self.server.request(method.upper(), target, body)
        label = "%s %s %s -> %d %s" % (method, target, body or "", answered, answer)
        self.assertLess(answered, 500, label)
        if status is not None:
            self.assertEqual(answered, status, label)
        self.check(name, answered, answer, label)
        return answer

    def check(self, name, status, answer, label):
        method, template = name.split(" ")
        operation = self.published.document["paths"][template][method]
        response = self.published.response(operation, status)
        if response is None:
            self.assertIn(status, published.ANYWHERE, label)
            return
        schema, examples = response
        if status == 204:
            self.assertIsNone(answer, label)
            return
        if schema is None:
            return
        if name in INSTEAD and INSTEAD[name][1] == status:
            schema = INSTEAD[name][2]
        found = self.published.deviations(schema, answer)
        if status >= 400 and examples:
            missing = [set(example) - set(answer) for example in examples.values()]
            self.assertIn(set(), missing, label)
        elif examples:
            found += min((published.differences(example, answer) for example in examples.values()),
                         key=len)
        unexcused = [row for row in found if not self.is_excused(name, row)]
        self.assertEqual(unexcused, [], label)

    def is_excused(self, name, deviation):
        where, keyword, _ = deviation
        for row in EXCEPTIONS:
            _, operation, place, excused = row
            if (re.search(operation, name) and re.search(place, where)
                    and keyword in (excused, "kind")):
                self.used.add(row)
                return True
        return False

    def described(self, name):
        method, template = name.split(" ")
        return self.published.document["paths"][template][method]

    def examples(self, name):
        return self.published.bodies(self.described(name)).items()

    def ask_queries(self, name, path=None, required=(), **real):
        """Each parameter's example alone, all together, and what it is with values of this
        server."""
        found = self.published.parameters(self.described(name), "query")
        found = {key: value for key, value in found.items() if value is not None}
        always = {key: found[key] for key in required if key in found}
        for key, value in found.items():
            self.ask(name, path, query={**always, key: value}, status=200)
        self.ask(name, path, query=found, status=200)
        return self.ask(name, path, query={**always, **real}, status=200)

    # -------- things to ask about --------

    def made(self, name, body, status):
        return self.ask(name, body=body, status=status)

    def unique(self, text):
        type(self).n += 1
        return "%s %d" % (text, self.n)

    def definition(self):
        return self.made("post /segment/definitions", {
            "name": self.unique("Definition"), "schema": {"name": "_xdm.context.profile"},
            "expression": {"type": "PQL", "format": "pql/text", "value": IN_US},
            "description": "In the US"}, 200)["id"]

    def external(self):
        return self.made("post /audiences", {
            "name": "External", "type": "ExternalSegment", "namespace": "aam",
            "originName": "AUDIENCE_MANAGER", "audienceId": self.unique("external").replace(" ", "-")},
            201)["id"]

    def job(self, segment=None):
        return self.made("post /segment/jobs", [{"segmentId": segment or self.definition()}],
                         200)["id"]

    def finished(self, name, path, states):
        def state():
            answer = self.ask(name, path, status=200)
            return answer if answer.get("status", answer.get("state")) in states else None
        return until(state, what=name + " " + path)

    def export(self):
        return str(self.made("post /export/jobs", {
            "destination": {"datasetId": self.people.exports},
            "schema": {"name": "_xdm.context.profile"}}, 200)["id"])

    def preview(self):
        return self.made("post /preview", {"predicateExpression": IN_US, "predicateType": "pql/text",
                                           "predicateModel": "_xdm.context.profile",
                                           "graphType": "pdg"}, 201)["previewId"]

    def schedule(self):
        return self.made("post /config/schedules", {
            "name": self.unique("Schedule"), "type": "batch_segmentation", "state": "inactive",
            "properties": {"segments": ["*"]}, "schedule": "0 0 1 * * ?"}, 200)["id"]

    # -------- audiences --------

    @operation("get /audiences")
    def list_audiences(self, name):
        self.external()
        self.definition()
        found = self.ask_queries(name, limit=1)
        self.assertEqual(len(found["children"]), 1)
        self.assertIn("next", found["_page"])
        kinds = {row["type"] for row in self.ask(name, status=200)["children"]}
        self.assertEqual(kinds, {"SegmentDefinition", "ExternalSegment"})

    @operation("post /audiences")
    def create_audience(self, name):
        for _, body in self.examples(name):
            self.ask(name, body=body, status=201)
        self.ask(name, body={"description": "no name"}, status=400)

    def one_audience(self, name, status, body=None):
        own = self.definition()
        self.ask(name, self.published.parameters(self.described(name), "path")["AUDIENCE_ID"],
                 body=body, status=404)
        return self.ask(name, own, body=body, status=status), own

    @operation("get /audiences/{AUDIENCE_ID}")
    def get_audience(self, name):
        self.one_audience(name, 200)

    @operation("delete /audiences/{AUDIENCE_ID}")
    def delete_audience(self, name):
        _, own = self.one_audience(name, 204)
        self.ask(name, own, status=404)
        used = self.definition()
        self.made("post /audiences", {"name": "User", "expression": {
            "type": "PQL", "format": "pql/text", "value": 'inSegment("%s")' % used}}, 201)
        self.ask(name, used, status=400)

    @operation("patch /audiences/{AUDIENCE_ID}")
    def patch_audience(self, name):
        for _, body in self.examples(name):
            self.one_audience(name, 201, body)
        self.ask(name, self.definition(), status=400, body=[
            {"op": "add", "path": "/lifecycleState", "value": "deleted"}])

    @operation("put /audiences/{AUDIENCE_ID}")
    def put_audience(self, name):
        for _, body in self.examples(name):
            own = self.external() if body["type"] == "ExternalSegment" else self.definition()
            self.ask(name, own, body=body, status=201)
            self.ask(name, "60ccea95-1435-4180-97a5-58af4aa285ab", body=body, status=404)
            self.ask(name, own, body={**body, "namespace": "another"}, status=400)

    @operation("post /audiences/bulk-get")
    def bulk_get_audiences(self, name):
        self.bulk_get(name, [self.definition(), self.external()], 404)

    def bulk_get(self, name, own, none_found):
        for _, body in self.examples(name):
            theirs = [item["id"] for item in body["ids"]]
            self.ask(name, body=body, status=none_found)
            found = self.ask(name, body=replaced(body, dict(zip(theirs, own))), status=207)
            self.assertEqual(list(found["results"]), own[:len(theirs)])
        self.ask(name, body={"ids": []}, status=400)

    # -------- definitions --------

    @operation("get /segment/definitions")
    def list_definitions(self, name):
        for _ in range(2):
            self.definition()
        self.assertEqual(len(self.ask_queries(name, limit=1)["segments"]), 1)

    @operation("post /segment/definitions")
    def create_definition(self, name):
        for label, body in self.examples(name):
            # The tree of the sample names the fields a and b, which no profile has.
            status = 400 if label == "pql/json" else 200
            self.ask(name, body=body, status=status)
            known = copy.deepcopy(body)
            known["name"] = self.unique("Known")
            for field in ('"a"', '"b"'):
                known["expression"]["value"] = known["expression"]["value"].replace(field, '"_id"')
            self.ask(name, body=known, status=200)
            self.ask(name, body=known, status=422)

    @operation("get /segment/definitions/{SEGMENT_ID}")
    def get_definition(self, name):
        self.ask(name, self.definition(), status=200)
        self.ask(name, "54669488-03ab-4e0d-a694-37fe49e32be8", status=404)

    @operation("delete /segment/definitions/{SEGMENT_ID}")
    def delete_definition(self, name):
        own = self.definition()
        self.ask(name, own, status=200)
        self.ask(name, own, status=404)

    @operation("patch /segment/definitions/{SEGMENT_ID}")
    def patch_definition(self, name):
        for _, body in self.examples(name):
            own = self.definition()
            self.ask(name, own, body=body)
            body = {**body, "id": own, "mergePolicyId": self.policy, "name": self.unique("Patched")}
            body["expression"] = {"type": "PQL", "format": "pql/text", "value": IN_US}
            self.ask(name, own, body=body, status=200)

    @operation("post /segment/definitions/bulk-get")
    def bulk_get_definitions(self, name):
        self.bulk_get(name, [self.definition(), self.definition()], 207)

    @operation("post /segment/conversion")
    def convert(self, name):
        for _, body in self.examples(name):
            found = self.ask(name, body=body, status=200)
            self.assertEqual(found["expression"]["format"], "pql/json")
            back = self.ask(name, body={**body, "expression": found["expression"]}, status=200)
            self.assertEqual(back["expression"]["value"], body["expression"]["value"])

    # -------- jobs --------

    @operation("get /segment/jobs")
    def list_jobs(self, name):
        own = self.definition()
        self.job(own)
        self.made("post /segment/jobs", {"schema": {"name": "_xdm.context.profile"},
                                         "segments": [{"segmentId": "*"}]}, 200)
        found = self.ask_queries(name, property="segments~segmentId==" + own)
        self.assertEqual(len(found["children"]), 1)
        shown = [row["segments"] for row in self.ask(name, status=200)["children"]]
        self.assertIn([{"segmentId": "*"}], shown)

    @operation("post /segment/jobs")
    def create_job(self, name):
        for _, body in self.examples(name):
            self.ask(name, body=body, status=400)
            body = replaced(body, {body[0]["segmentId"]: self.definition()})
            job = self.ask(name, body=body, status=200)["id"]
            self.finished("get /segment/jobs/{SEGMENT_JOB_ID}", job, ["SUCCEEDED"])

    @operation("get /segment/jobs/{SEGMENT_JOB_ID}")
    def get_job(self, name):
        job = self.finished(name, self.job(), ["SUCCEEDED"])
        self.assertEqual(list(job["metrics"]["segmentedProfileCounter"].values()), [4])
        self.ask(name, "468eeefd-95a2-45a1-8bfc-b806dafce7ee", status=404)

    @operation("delete /segment/jobs/{SEGMENT_JOB_ID}")
    def delete_job(self, name):
        job = self.job()
        for _ in range(2):
            self.ask(name, job, status=204)
        self.ask(name, "468eeefd-95a2-45a1-8bfc-b806dafce7ee", status=404)

    @operation("post /segment/jobs/bulk-get")
    def bulk_get_jobs(self, name):
        self.bulk_get(name, [self.job(), self.job()], 207)

    # -------- exports --------

    @operation("get /export/jobs")
    def list_exports(self, name):
        first, second = self.export(), self.export()
        found = self.ask_queries(name, limit=1)
        self.assertEqual([str(row["id"]) for row in found["records"]], [second])
        after = self.ask(name, query={"offset": found["page"]["pageOffset"]}, status=200)
        self.assertEqual(str(after["records"][0]["id"]), first)

    @operation("post /export/jobs")
    def create_export(self, name):
        for _, body in self.examples(name):
            self.ask(name, body=body)
            own = {**body, "mergePolicy": {"id": self.policy},
                   "destination": {"datasetId": self.people.exports, "segmentPerBatch": False},
                   "filter": {"segments": [{"segmentId": self.definition()}]}}
            job = str(self.ask(name, body=own, status=200)["id"])
            self.finished("get /export/jobs/{EXPORT_JOB_ID}", job, ["SUCCEEDED"])

    @operation("get /export/jobs/{EXPORT_JOB_ID}")
    def get_export(self, name):
        self.finished(name, self.export(), ["SUCCEEDED"])
        self.ask(name, "1000000", status=404)

    @operation("delete /export/jobs/{EXPORT_JOB_ID}")
    def delete_export(self, name):
        self.ask(name, self.export(), status=200)
        self.ask(name, "1000000", status=404)

    # -------- previews --------

    @operation("post /preview")
    def create_preview(self, name):
        for _, body in self.examples(name):
            self.ask(name, body=body)
            self.ask(name, body={**body, "predicateExpression": IN_US}, status=201)
        self.ask(name, body={"predicateExpression": "workAddress.country ="}, status=400)

    @operation("get /preview/{PREVIEW_ID}")
    def get_preview(self, name):
        own = self.preview()
        self.finished(name, own, ["RESULT_READY"])
        found = self.ask_queries(name, own, limit=3)
        self.assertEqual((len(found["results"]), found["page"]["totalCount"]), (3, 4))

    @operation("delete /preview/{PREVIEW_ID}")
    def delete_preview(self, name):
        own = self.preview()
        self.ask(name, own, status=200)
        self.ask(name, own, status=404)

    @operation("get /estimate/{ESTIMATE_ID}")
    def get_estimate(self, name):
        found = self.finished(name, self.preview(), ["RESULT_READY"])
        self.assertEqual((found["estimatedSize"], found["totalRows"]), (4, 8))

    # -------- schedules --------

    @operation("get /config/schedules")
    def list_schedules(self, name):
        self.schedule()
        self.assertEqual(len(self.ask_queries(name, limit=1)["children"]), 1)
        self.ask(name, status=200)

    @operation("post /config/schedules")
    def create_schedule(self, name):
        for _, body in self.examples(name):
            self.ask(name, body=body, status=200)

    @operation("get /config/schedules/{SCHEDULE_ID}")
    def get_schedule(self, name):
        self.ask(name, self.schedule(), status=200)
        self.ask(name, "4e538382-dbd8-449e-988a-4ac639ebe72b", status=404)

    @operation("delete /config/schedules/{SCHEDULE_ID}")
    def delete_schedule(self, name):
        own = self.schedule()
        self.ask(name, own, status=204)
        self.ask(name, own, status=404)

    @operation("patch /config/schedules/{SCHEDULE_ID}")
    def patch_schedule(self, name):
        for _, body in self.examples(name):
            own = self.schedule()
            self.ask(name, own, body=body, status=204)
            found = self.ask("get /config/schedules/{SCHEDULE_ID}", own, status=200)
            self.assertEqual(found[body[0]["path"][1:]], body[0]["value"])

    # -------- search --------

    @operation("get /search/namespaces")
    def search_namespaces(self, name):
        self.external()
        found = self.ask_queries(name, required=["schema.name"])
        self.assertIn("aam", [row["namespace"] for row in found["namespaces"]])

    @operation("get /search/entities")
    def search_entities(self, name):
        self.external()
        found = self.ask_queries(name, required=["schemaClass", "namespace"], namespace="aam")
        self.assertGreater(len(found["entities"]), 0)

    @operation("get /search/taxonomy")
    def search_taxonomy(self, name):
        self.ask_queries(name, required=["schema.name", "namespace", "entityId"])

    # -------- everything --------

    def test_every_operation_of_the_document_is_asked(self):
        documented = {"%s %s" % (method, path) for method, path, _ in self.published.operations()}
        self.assertEqual(documented, set(operations))

    def test_zz_every_exception_excuses_something(self):
        self.assertEqual([row[0] for row in EXCEPTIONS if row not in self.used], [])


def test_of(name, function):
    def test(self):
        function(self, name)
    return test


for name, function in operations.items():
    setattr(ContractTest, "test_" + re.sub(r"\W+", "_", name).strip("_"), test_of(name, function))

if __name__ == "__main__":
    unittest.main()
