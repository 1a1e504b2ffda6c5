"""aepp.catalog, .sandboxes, .flowservice: data sets, sandboxes, streaming connections and flows."""

import unittest

import harness

PROFILE = "https://ns.adobe.com/xdm/context/profile"
EVENT = "https://ns.adobe.com/xdm/context/experienceevent"
STREAMING = "bc7b00d6-623a-4dfc-9fdb-f1240aeadaeb"


def id_of(links):
    """["@/dataSets/ID"] -> ID."""
    return links[0].rsplit("/", 1)[1]


class DataSetTest(harness.ClientTest):
    def setUp(self):
        from aepp import catalog

        self.catalog = catalog.Catalog(**self.aepp)

    def make(self, name, **options):
        links = self.catalog.createDataSet(name=name, schemaId=EVENT, **options)
        self.assertIsInstance(links, list, links)
        return id_of(links)

    def test_a_data_set_is_made_read_and_deleted(self):
        made = self.make("Luma events", profileEnabled=True, identityEnabled=True)
        found = self.catalog.getDataSet(made)[made]
        self.assertEqual(found["name"], "Luma events")
        self.assertEqual(found["tags"]["unifiedProfile"], ["enabled:true"])
        self.assertEqual(found["tags"]["unifiedIdentity"], ["enabled:true"])
        self.assertEqual(found["tags"]["adobe/pqs/table"], ["luma_events"])
        self.assertEqual(found["classification"]["dataBehavior"], "time-series")
        self.assertEqual(found["imsOrg"], harness.ORGANIZATION)
        self.assertEqual(self.catalog.deleteDataSet(made), 200)
        self.assertEqual(self.catalog.getDataSet(made)["status"], 404)

    def test_an_unknown_schema_is_refused(self):
        answer = self.catalog.createDataSet(name="x", schemaId="https://ns.adobe.com/luma/none")
        self.assertEqual(answer["status"], 400)

    def test_lists_and_tables_of_data_sets(self):
        made = {self.make("List %d" % i) for i in range(3)}
        self.assertLessEqual(made, set(self.catalog.getDataSets()))
        self.assertEqual(self.catalog.data.table_names["List 1"], ["list_1"])
        self.assertIn("List 2", self.catalog.data.ids)
        infos = self.catalog.getDatasetsInfos()
        self.assertIn("List 0", set(infos["name"]))
        by_name = self.catalog.getDataSets(property="name~^List 2")
        self.assertEqual([row["name"] for row in by_name.values()], ["List 2"])

    def test_switches_for_profile_and_identity(self):
        made = self.make("Switched")
        self.assertEqual(id_of(self.catalog.enableDatasetProfile(made, upsert=True)), made)
        self.assertEqual(id_of(self.catalog.enableDatasetIdentity(made)), made)
        self.assertEqual(id_of(self.catalog.disableDatasetValidationContext(made)), made)
        tags = self.catalog.getDataSet(made)[made]["tags"]
        self.assertEqual(tags["unifiedProfile"], ["enabled:true", "isUpsert:true"])
        self.assertEqual(tags["unifiedIdentity"], ["enabled:true"])
        self.assertEqual(tags["acp_validationContext"], ["disabled"])
        self.catalog.disableDatasetProfile(made)
        tags = self.catalog.getDataSet(made)[made]["tags"]
        self.assertEqual(tags["unifiedProfile"], ["enabled:false"])

    def test_patches_of_both_kinds(self):
        made = self.make("Patched")
        self.catalog.patchDatasetV2(made, {"description": "first"})
        self.assertEqual(self.catalog.getDataSet(made)[made]["description"], "first")
        self.catalog.putDataset(made, {"description": "second"})
        self.assertEqual(self.catalog.getDataSet(made)[made]["description"], "second")


class SandboxTest(harness.ClientTest):
    def setUp(self):
        from aepp import sandboxes

        self.sandboxes = sandboxes.Sandboxes(**self.aepp)

    def test_sandboxes(self):
        self.assertEqual([row["name"] for row in self.sandboxes.getSandboxes()], ["prod"])
        self.assertEqual(len(self.sandboxes.getSandboxId("prod")), 36)
        self.assertIn("development", self.sandboxes.getSandboxTypes())
        made = self.sandboxes.createSandbox("dev-1", "Development 1")
        self.assertEqual((made["state"], made["type"]), ("active", "development"))
        self.sandboxes.updateSandbox("dev-1", {"title": "Renamed"})
        self.assertEqual(self.sandboxes.getSandbox("dev-1")["title"], "Renamed")
        self.assertEqual(self.sandboxes.deleteSandbox("dev-1"), 200)
        self.assertEqual(self.sandboxes.getSandbox("dev-1")["status"], 404)


class FlowTest(harness.ClientTest):
    def setUp(self):
        from aepp import flowservice

        self.flows = flowservice.FlowService(**self.aepp)

    def test_a_streaming_connection(self):
        made = self.flows.createConnectionStreaming("In", sourceId="shop", paramName="In")
        found = self.flows.getConnection(made["id"])
        parameters = found["auth"]["params"]
        self.assertRegex(parameters["inletId"], "^[0-9a-f]{64}$")
        self.assertEqual(parameters["inletUrl"],
                         self.server.base + "/collection/" + parameters["inletId"])
        self.assertEqual(found["connectionSpec"]["id"], STREAMING)
        self.assertEqual(self.flows.deleteConnection(made["id"]), 204)

    def test_more_connections_than_a_page(self):
        made = {self.flows.createConnectionStreaming("C", "c%d" % i, paramName="C")["id"] for i in range(5)}
        found = {row["id"] for row in self.flows.getConnections(limit=2)}
        self.assertLessEqual(made, found)

    def test_flows_and_what_they_join(self):
        source = self.flows.createSourceConnection(
            {"name": "S", "connectionSpec": {"id": STREAMING}, "params": {}})
        self.assertIn("etag", source)
        self.assertEqual(self.flows.getSourceConnection(source["id"])["name"], "S")


if __name__ == "__main__":
    unittest.main()
