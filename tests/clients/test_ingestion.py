"""aepp.ingestion: messages to an inlet, and batches of files."""

import copy
import time
import unittest

import harness

PROFILE = "https://ns.adobe.com/xdm/context/profile"
REGISTRY = "/data/foundation/schemaregistry/tenant"
XED = {"Accept": "application/vnd.adobe.xed+json; version=1"}
FINAL = {"success", "failed", "aborted", "inactive"}


class IngestionTest(harness.ClientTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        import aepp.config

        aepp.config.endpoints["streaming"]["collection"] = cls.server.base
        cls.schema = cls.make_schema()
        cls.dataset = cls.made("/data/foundation/catalog/dataSets", {
            "name": "People",
            "schemaRef": {"id": cls.schema,
                          "contentType": "application/vnd.adobe.xed+json;version=1"},
            "tags": {"unifiedProfile": ["enabled: true"], "unifiedIdentity": ["enabled:true"]},
        })[0].rsplit("/", 1)[1]
        connection = cls.made("/data/foundation/flowservice/connections", {
            "name": "People",
            "providerId": "521eee4d-8cbe-4906-bb48-fb6bd4450033",
            "connectionSpec": {"id": "bc7b00d6-623a-4dfc-9fdb-f1240aeadaeb", "version": "1.0"},
            "auth": {"specName": "Streaming Connection",
                     "params": {"sourceId": "people", "dataType": "xdm", "name": "people"}},
        })["id"]
        status, found = cls.server.request(
            "GET", "/data/foundation/flowservice/connections/" + connection)
        assert status == 200, found
        cls.inlet = found["items"][0]["auth"]["params"]["inletId"]

    @classmethod
    def made(cls, path, body, headers=None):
        status, answer = cls.server.request("POST", path, body, headers)
        assert status in (200, 201), (path, status, answer)
        return answer

    @classmethod
    def make_schema(cls):
        parts = [PROFILE, "https://ns.adobe.com/xdm/context/profile-person-details",
                 "https://ns.adobe.com/xdm/context/profile-personal-details",
                 "https://ns.adobe.com/xdm/context/identitymap"]
        schema = cls.made(REGISTRY + "/schemas", {
            "title": "People", "type": "object",
            "allOf": [{"$ref": part} for part in parts],
            "meta:immutableTags": ["union"]}, XED)["$id"]
        cls.made(REGISTRY + "/descriptors", {
            "@type": "xdm:descriptorIdentity", "xdm:sourceSchema": schema,
            "xdm:sourceVersion": 1, "xdm:sourceProperty": "/personalEmail/address",
            "xdm:namespace": "Email", "xdm:property": "xdm:code", "xdm:isPrimary": True},
            {"Accept": "application/json"})
        return schema

    def setUp(self):
        from aepp import catalog, ingestion

        self.ingestion = ingestion.DataIngestion(**self.aepp)
        self.catalog = catalog.Catalog(**self.aepp)

    def person(self, address, first_name="Jane"):
        return {"_id": address, "person": {"name": {"firstName": first_name}},
                "personalEmail": {"address": address}}

    def message(self, entity):
        message = copy.deepcopy(self.ingestion.STREAMING_REFERENCE)
        reference = {"id": self.schema,
                     "contentType": "application/vnd.adobe.xed-full+json;version=1"}
        message["header"].update(schemaRef=reference, imsOrgId=harness.ORGANIZATION,
                                 datasetId=self.dataset, source={"name": "test"})
        message["body"]["xdmMeta"]["schemaRef"] = reference
        message["body"]["xdmEntity"] = entity
        return message

    def finished(self, batch):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            state = self.catalog.getBatch(batch)[batch]
            if state["status"] in FINAL:
                return state
            time.sleep(0.05)
        self.fail("the batch is still " + state["status"])

    def ingest(self, data, **options):
        batch = self.ingestion.createBatch(datasetId=self.dataset, **options)["id"]
        self.ingestion.uploadSmallFile(batchId=batch, datasetId=self.dataset, filePath="part-0",
                                       data=data)
        self.ingestion.uploadSmallFileFinish(batchId=batch)
        return batch, self.finished(batch)

    # -------- streaming --------

    def test_a_message(self):
        answer = self.ingestion.streamMessage(self.inlet, self.message(self.person("a@b.c")),
                                              format="json")
        self.assertEqual(answer["inletId"], self.inlet)
        self.assertEqual(answer["syncValidation"], {"skipped": True})
        self.assertRegex(answer["xactionId"], r"^\d+:\d+:\d+$")

    def test_a_message_validated_at_once(self):
        answer = self.ingestion.streamMessage(self.inlet, self.message(self.person("a@b.c")),
                                              syncValidation=True, format="json")
        self.assertEqual(answer["syncValidation"], {"status": "pass"})
        answer = self.ingestion.streamMessage(
            self.inlet, self.message({"workEmail": 1, **self.person("a@b.c")}),
            syncValidation=True, format="json")
        self.assertEqual(answer["status"], 400)
        cause = answer["report"]["cause"]["_streamingValidation"][0]
        self.assertEqual(cause["message"], "extraneous key [workEmail] is not permitted")

    def test_many_messages(self):
        wrong = self.message(self.person("b@b.c"))
        wrong["header"]["imsOrgId"] = "another@AdobeOrg"
        answer = self.ingestion.streamMessages(
            self.inlet, [self.message(self.person("b@b.c")), wrong])
        self.assertEqual(answer["responses"][0]["xactionId"], answer["batchId"] + ":0")
        self.assertEqual(answer["responses"][1]["statusCode"], 400)

    # -------- batches --------

    def test_a_batch_of_one_object(self):
        batch, state = self.ingest(self.person("c@b.c"))
        self.assertEqual(state["status"], "success")
        self.assertEqual(state["metrics"]["outputRecordCount"], 1)
        self.assertEqual(state["relatedObjects"], [{"type": "dataSet", "id": self.dataset}])
        self.assertIn("sandboxId", state)

    def test_a_batch_of_a_list(self):
        _, state = self.ingest([self.person("d@b.c"), self.person("e@b.c")], multiline=True)
        self.assertEqual(state["status"], "success")
        self.assertEqual(state["metrics"]["inputRecordCount"], 2)

    def test_a_batch_of_text(self):
        _, state = self.ingest('{"personalEmail":{"address":"f@b.c"}}\n'
                               '{"personalEmail":{"address":"g@b.c"}}\n')
        self.assertEqual(state["status"], "success")
        self.assertEqual(state["metrics"]["outputRecordCount"], 2)

    def test_bad_rows(self):
        rows = [self.person("h@b.c"), {"person": {"name": {"firstName": 5}}}]
        _, state = self.ingest(rows, multiline=True)
        self.assertEqual(state["status"], "failed")
        batch, state = self.ingest(rows, multiline=True, enableDiagnostic=True,
                                   partialIngestionPercentage=50)
        self.assertEqual(state["status"], "success")
        self.assertEqual(state["metrics"]["failedRecordCount"], 1)
        self.assertTrue(state["errors"])
        status, files = self.server.request(
            "GET", "/data/foundation/export/batches/%s/failed" % batch)
        self.assertEqual((status, files["_page"]["count"]), (200, 1))

    def test_a_large_file(self):
        batch = self.ingestion.createBatch(datasetId=self.dataset)["id"]
        place = {"batchId": batch, "datasetId": self.dataset, "filePath": "large"}
        data = b'{"personalEmail":{"address":"i@b.c"}}'
        self.ingestion.uploadLargeFileStartEnd(**place, action="INITIALIZE")
        for first, last in ((0, 9), (10, len(data) - 1)):
            answer = self.ingestion.uploadLargeFilePart(
                **place, data=data[first:last + 1],
                contentRange="bytes %d-%d/%d" % (first, last, len(data)))
            self.assertEqual(answer["sizeInBytes"], last - first + 1)
        self.ingestion.uploadLargeFileStartEnd(**place, action="COMPLETE")
        self.ingestion.uploadSmallFileFinish(batchId=batch)
        self.assertEqual(self.finished(batch)["status"], "success")

    def test_the_end_of_batches(self):
        batch, _ = self.ingest(self.person("j@b.c"))
        replay = self.ingestion.replayBatch(datasetId=self.dataset, batchIds=[batch])["id"]
        self.ingestion.uploadSmallFile(batchId=replay, datasetId=self.dataset, filePath="x",
                                       data=self.person("j@b.c", "Joan"))
        self.ingestion.uploadSmallFileFinish(batchId=replay)
        self.assertEqual(self.finished(replay)["status"], "success")
        self.assertEqual(self.finished(batch)["status"], "inactive")
        self.ingestion.deleteBatch(replay)
        self.assertEqual(self.finished(replay)["status"], "inactive")
        batch = self.ingestion.createBatch(datasetId=self.dataset)["id"]
        self.ingestion.uploadSmallFileFinish(batchId=batch, action="ABORT")
        self.assertEqual(self.finished(batch)["status"], "aborted")
        self.assertTrue(self.catalog.getBatches(limit=5, n_results=5, output="raw"))


if __name__ == "__main__":
    unittest.main()
