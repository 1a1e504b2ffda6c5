"""aepp.customerprofile: people and their events looked up, counted and deleted."""

import time
import unittest

import harness

CONTEXT = "https://ns.adobe.com/xdm/context/"
REGISTRY = "/data/foundation/schemaregistry/tenant"
XED = {"Accept": "application/vnd.adobe.xed+json; version=1"}
ADA, GUS = "ada.marsh@example.com", "gus@example.com"
ADAS_PHONE = "87425148613594122803641603982383516983"


def until(question, seconds=60):
    """Asks until the answer is true."""
    deadline = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < deadline, "it does not come true"
        time.sleep(0.2)


class CustomerProfileTest(harness.ClientTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        people = cls.make_schema("People", CONTEXT + "profile", "profile-person-details")
        visits = cls.make_schema("Visits", CONTEXT + "experienceevent", "experienceevent-web")
        cls.people, cls.visits = (cls.make_dataset(schema) for schema in (people, visits))
        cls.inlet = cls.make_inlet()
        for address, name in ((ADA, "Ada"), (GUS, "Gus")):
            cls.send(people, cls.people, {
                "_id": address, "person": {"name": {"firstName": name, "lastName": "Marsh"}},
                "identityMap": {"Email": [{"id": address, "primary": True}]}})
        for number in range(5):
            cls.send(visits, cls.visits, {
                "_id": "visit-%d" % number, "timestamp": "2026-03-10T1%d:00:00Z" % number,
                "eventType": "click" if number % 2 else "view",
                "web": {"webPageDetails": {"name": "page %d" % number}},
                "identityMap": {"ECID": [{"id": ADAS_PHONE, "primary": True}],
                                "Email": [{"id": ADA}]}})

    @classmethod
    def made(cls, path, body, headers=None):
        status, answer = cls.server.request("POST", path, body, headers)
        assert status in (200, 201), (path, status, answer)
        return answer

    @classmethod
    def make_schema(cls, title, of_class, group):
        return cls.made(REGISTRY + "/schemas", {
            "title": title, "type": "object", "meta:immutableTags": ["union"],
            "allOf": [{"$ref": part} for part in
                      (of_class, CONTEXT + group, CONTEXT + "identitymap")]}, XED)["$id"]

    @classmethod
    def make_dataset(cls, schema):
        return cls.made("/data/foundation/catalog/dataSets", {
            "name": schema[-6:],
            "schemaRef": {"id": schema, "contentType": "application/vnd.adobe.xed+json;version=1"},
            "tags": {"unifiedProfile": ["enabled:true"], "unifiedIdentity": ["enabled:true"]},
        })[0].rsplit("/", 1)[1]

    @classmethod
    def make_inlet(cls):
        connection = cls.made("/data/foundation/flowservice/connections", {
            "name": "Shop", "providerId": "521eee4d-8cbe-4906-bb48-fb6bd4450033",
            "connectionSpec": {"id": "bc7b00d6-623a-4dfc-9fdb-f1240aeadaeb", "version": "1.0"},
            "auth": {"specName": "Streaming Connection",
                     "params": {"sourceId": "shop", "dataType": "xdm", "name": "shop"}}})["id"]
        found = cls.server.request("GET", "/data/foundation/flowservice/connections/" + connection)
        return found[1]["items"][0]["auth"]["params"]["inletId"]

    @classmethod
    def send(cls, schema, dataset, entity):
        reference = {"id": schema, "contentType": "application/vnd.adobe.xed-full+json;version=1"}
        answer = cls.made("/collection/%s?syncValidation=true" % cls.inlet, {
            "header": {"schemaRef": reference, "imsOrgId": harness.ORGANIZATION,
                       "datasetId": dataset},
            "body": {"xdmMeta": {"schemaRef": reference}, "xdmEntity": entity}})
        assert answer["syncValidation"] == {"status": "pass"}, answer

    def setUp(self):
        from aepp import customerprofile

        self.profile = customerprofile.Profile(**self.aepp)

    def test_a_person(self):
        found = self.profile.getEntity(entityId=ADA, entityIdNS="Email")
        self.assertEqual(len(found), 1, found)
        (xid, person), = found.items()
        self.assertEqual(person["entityId"], xid)
        self.assertEqual(person["entity"]["person"]["name"]["firstName"], "Ada")
        self.assertEqual(person["sources"], [self.people])
        self.assertEqual(len(person["identityGraph"]), 2)
        by_phone = self.profile.getEntity(entityId=ADAS_PHONE, entityIdNS="ecid")
        self.assertEqual([one["entity"] for one in by_phone.values()], [person["entity"]])
        by_xid = self.profile.getEntity(entityId=xid)
        self.assertEqual(by_xid[xid]["entity"], person["entity"])
        some = self.profile.getEntity(entityId=ADA, entityIdNS="Email",
                                      fields="person.name.lastName")
        self.assertEqual([one["entity"] for one in some.values()],
                         [{"person": {"name": {"lastName": "Marsh"}}}])
        nobody = self.profile.getEntity(entityId="nobody@example.com", entityIdNS="Email")
        self.assertEqual(nobody["statusCode"], "404")

    def test_events(self):
        events = self.profile.getEntity(schema_name="_xdm.context.experienceevent",
                                        entityId=ADA, entityIdNS="Email", limit=2)
        self.assertEqual([event["entityId"] for event in events],
                         ["visit-%d" % number for number in range(5)])
        again = self.profile.getEntityEvents(entityId=ADA, entityIdNS="Email", limit=2)
        self.assertEqual(again, events)
        self.assertEqual(self.profile.getEntityEvents(entityId=GUS, entityIdNS="Email"), [])

    def test_many(self):
        found = self.profile.getEntities({
            "schema": {"name": "_xdm.context.profile"}, "fields": ["person.name.firstName"],
            "identities": [{"entityId": one, "entityIdNS": {"code": "Email"}}
                           for one in (ADA, GUS, "nobody@example.com")]})
        names = {one["requestedIdentity"]["entityId"]:
                 one["entity"].get("person", {}).get("name", {}).get("firstName")
                 for one in found.values() if "requestedIdentity" in one}
        self.assertEqual((names[ADA], names[GUS]), ("Ada", "Gus"))
        self.assertEqual(len(found), 3)

    def test_reports(self):
        self.assertEqual(self.profile.getPreviewStatus()["status"], "TASK_FINISHED")
        by_dataset = {row["value"]: row for row in self.profile.getPreviewDataSet()}
        self.assertIn(self.people, by_dataset)
        by_namespace = {row["code"] for row in self.profile.getPreviewNamespace()}
        self.assertLessEqual({"ECID", "Email"}, by_namespace)
        self.assertIsInstance(self.profile.getPreviewDataSetOverlap(), dict)


class DeletionTest(CustomerProfileTest):
    """The same people, gone one by one."""

    test_a_person = test_events = test_many = test_reports = None

    def lookup(self, address):
        return self.profile.getEntity(entityId=address, entityIdNS="Email")

    def test_deletions(self):
        self.assertEqual(self.profile.deleteEntity(schema_name="_xdm.context.profile",
                                                   entityId=GUS, entityIdNS="Email"), 202)
        until(lambda: self.lookup(GUS).get("statusCode") == "404")
        job = self.profile.createDeleteSystemJob(dataSetId=self.visits)
        until(lambda: self.profile.getDeleteSystemJob(job["id"])["status"] == "COMPLETED")
        self.assertIn(job["id"], [one["id"] for one in self.profile.getDeleteSystemJobs()])
        self.assertEqual(self.profile.getEntityEvents(entityId=ADA, entityIdNS="Email"), [])
        self.assertNotIn("statusCode", self.lookup(ADA))


if __name__ == "__main__":
    unittest.main()
