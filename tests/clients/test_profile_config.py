"""aepp.customerprofile and aepp.identity: merge policies, projections, namespaces."""

import unittest

import harness


class MergePolicyTest(harness.ClientTest):
    def setUp(self):
        from aepp import customerprofile

        self.profile = customerprofile.Profile(**self.aepp)

    def make(self, name, **more):
        made = self.profile.createMergePolicy({
            "name": name, "imsOrgId": harness.ORGANIZATION,
            "schema": {"name": "_xdm.context.profile"}, "identityGraph": {"type": "none"},
            "attributeMerge": {"type": "timestampOrdered"}, **more})
        self.assertIn("id", made, made)
        return made["id"]

    def test_merge_policies(self):
        first = self.profile.getMergePolicies()
        self.assertEqual([row["name"] for row in first], ["Default Timebased"])
        self.assertEqual(self.profile.getMergePolicyActiveOnEdge()["id"], first[0]["id"])
        made = [self.make("Policy %d" % i) for i in range(3)]
        self.assertEqual(len(self.profile.getMergePolicies(limit=2)), 4)
        self.profile.patchMergePolicy(made[0], [
            {"op": "add", "path": "/identityGraph.type", "value": "pdg"},
            {"op": "add", "path": "/default", "value": "true"}])
        changed = self.profile.getMergePolicy(made[0])
        self.assertEqual((changed["identityGraph"]["type"], changed["default"]), ("pdg", True))
        self.assertFalse(self.profile.getMergePolicy(first[0]["id"])["default"])
        changed["name"] = "Replaced"
        self.assertEqual(self.profile.updateMergePolicy(made[0], changed)["name"], "Replaced")
        self.assertEqual(self.profile.deleteMergePolicy(made[1]), 200)
        self.assertEqual(self.profile.deleteMergePolicy(made[0])["code"], "400")
        self.assertEqual(self.profile.getMergePolicy("none")["code"], "404")

    def test_projections_and_destinations(self):
        made = self.profile.createDestination({"type": "EDGE", "dataCenters": ["OR1"], "ttl": 3600})
        self.assertIn(made["id"], [row["id"] for row in self.profile.getDestinations()])
        projection = self.profile.createProjection(
            schemaName="_xdm.context.profile",
            projectionConfig={"selector": "person.name", "name": "p", "destinationId": made["id"]})
        self.assertIn(projection["id"], [row["id"] for row in self.profile.getProjections()])
        self.assertEqual(self.profile.getProjection(projection["id"])["selector"], "person.name")
        self.assertEqual(self.profile.deleteProjection(projection["id"]), 204)


class NamespaceTest(harness.ClientTest):
    def setUp(self):
        from aepp import identity

        self.identity = identity.Identity(region="va7", **self.aepp)
        self.identity.endpoint = self.server.base + "/data/core"

    def test_namespaces(self):
        codes = {row["code"] for row in self.identity.getIdentities()}
        self.assertLessEqual({"ECID", "Email", "Phone"}, codes)
        self.assertEqual(self.identity.getIdentities(only_custom=True), [])
        made = self.identity.createIdentity("Luma CRM", "lumaCrmId", "CROSS_DEVICE")
        self.assertEqual((made["id"], made["custom"]), (10000001, True))
        self.assertEqual(self.identity.getIdentityDetail("10000001")["code"], "lumaCrmId")
        again = self.identity.createIdentity("Other", "LUMACRMID", "CROSS_DEVICE")
        self.assertEqual(again["status"], 409)
        changed = self.identity.updateIdentity("10000001", "Renamed", "lumaCrmId", "CROSS_DEVICE")
        self.assertEqual(changed["name"], "Renamed")


if __name__ == "__main__":
    unittest.main()
