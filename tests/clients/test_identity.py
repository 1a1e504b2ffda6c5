"""aepp.identity: XIDs, clusters and mappings of people who came in through an inlet."""

import unittest

import harness

ECID = "87425148613594122803641603982383516983"
EMAIL = "ada@example.com"
PROFILE = "https://ns.adobe.com/xdm/context/profile"
IDENTITY_MAP = "https://ns.adobe.com/xdm/context/identitymap"
STREAMING = "bc7b00d6-623a-4dfc-9fdb-f1240aeadaeb"
CONTENT = "application/vnd.adobe.xed-full+json;version=1"


class IdentityTest(harness.ClientTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.send_ada()

    @classmethod
    def made(cls, path, body):
        status, answer = cls.server.request("POST", path, body)
        if status >= 300:
            raise AssertionError("%s: %d %s" % (path, status, answer))
        return answer

    @classmethod
    def send_ada(cls):
        """Ada's record, through an inlet made for it."""
        schema = cls.made("/data/foundation/schemaregistry/tenant/schemas", {
            "title": "People", "type": "object", "meta:immutableTags": ["union"],
            "allOf": [{"$ref": PROFILE}, {"$ref": IDENTITY_MAP}]})["$id"]
        dataset = cls.made("/data/foundation/catalog/dataSets", {
            "name": "People", "schemaRef": {"id": schema, "contentType": CONTENT},
            "tags": {"unifiedProfile": ["enabled:true"],
                     "unifiedIdentity": ["enabled:true"]}})[0].rsplit("/", 1)[1]
        cls.dataset = dataset
        connection = cls.made("/data/foundation/flowservice/connections", {
            "name": "Shop", "connectionSpec": {"id": STREAMING, "version": "1.0"},
            "auth": {"specName": "Streaming Connection",
                     "params": {"sourceId": "shop", "dataType": "xdm", "name": "Shop"}}})["id"]
        status, answer = cls.server.request(
            "GET", "/data/foundation/flowservice/connections/" + connection)
        assert status == 200, answer
        reference = {"id": schema, "contentType": CONTENT}
        cls.made("/collection/" + answer["items"][0]["auth"]["params"]["inletId"], {
            "header": {"schemaRef": reference, "imsOrgId": harness.ORGANIZATION,
                       "datasetId": dataset, "source": {"name": "Shop"}},
            "body": {"xdmMeta": {"schemaRef": reference},
                     "xdmEntity": {"_id": "1", "identityMap": {
                         "Email": [{"id": EMAIL, "primary": True}], "ECID": [{"id": ECID}]}}}})

    def setUp(self):
        from aepp import identity

        self.identity = identity.Identity(**self.aepp)
        # The class has the host of a region of its own, whatever the configuration says.
        self.identity.endpoint = self.server.base + "/data/core"

    def xid(self, namespace, value):
        return self.identity.getIdentity(id_str=value, namespace=namespace)["xid"]

    def test_an_xid_does_not_depend_on_how_the_namespace_is_given(self):
        self.assertEqual(self.xid("ECID", ECID),
                         self.identity.getIdentity(id_str=ECID, nsid="4")["xid"])
        self.assertEqual(self.xid("ECID", ECID), self.identity.getIdentity(
            id_str=ECID, nsid="4", namespace="ecid")["xid"])
        self.assertNotEqual(self.xid("ECID", ECID), self.xid("Phone", ECID))

    def test_linked_identities(self):
        for asked in ({"ns": "Email", "id": EMAIL}, {"nsid": "6", "ns": "Email", "id": EMAIL}):
            found = self.identity.getLinkedIdentities(asked)
            self.assertEqual(found["graphs"], [{
                "composite_xid": {"ns": "Email", "id": EMAIL},
                "members": [{"ns": "Email", "id": EMAIL}, {"ns": "ECID", "id": ECID}]}])

    def test_linked_identities_of_several(self):
        asked = [{"nsid": "4", "id": ECID}, {"nsid": "6", "id": "nobody@example.com"}]
        found = self.identity.getLinkedIdentities(asked)
        self.assertEqual([member["nsid"] for member in found["graphs"][0]["members"]], [6, 4])
        self.assertEqual(found["unprocessed_composite_xids"],
                         [{"nsid": 6, "id": "nobody@example.com"}])

    def test_linked_identities_by_xid(self):
        found = self.identity.getLinkedIdentities([self.xid("ECID", ECID)])
        self.assertEqual([member["xid"] for member in found["graphs"][0]["members"]],
                         [self.xid("Email", EMAIL), self.xid("ECID", ECID)])

    def test_a_graph(self):
        found = self.identity.getLinkedIdentities({"ns": "ECID", "id": ECID},
                                                  projectionType="graph", edgeMeta=True)
        graph = found["graphs"][0]
        self.assertEqual([vertex["composite_xid"]["id"] for vertex in graph["vertices"]],
                         [EMAIL, ECID])
        self.assertEqual(graph["edges"][0]["composite_xid_pair"],
                         [{"ns": "Email", "id": EMAIL}, {"ns": "ECID", "id": ECID}])
        self.assertEqual(graph["edges"][0]["dataset_ids"], [self.dataset])

    def test_a_mapping(self):
        found = self.identity.getIdentityMapping(id_value=EMAIL, namespace="Email", targetNs=4)
        self.assertEqual([item["compositeXid"]["id"] for item in found["mapping"]], [ECID])
        found = self.identity.getIdentityMapping(xid=self.xid("ECID", ECID), targetNs=6)
        self.assertEqual([item["xid"] for item in found["mapping"]], [self.xid("Email", EMAIL)])


if __name__ == "__main__":
    unittest.main()
