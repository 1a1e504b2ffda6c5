"""A shop's people in a server of this build: schemas, data sets, people who work somewhere, orders."""

import time

import harness

CONTEXT = "https://ns.adobe.com/xdm/context/"
REGISTRY = "/data/foundation/schemaregistry/tenant"
XED = {"Accept": "application/vnd.adobe.xed+json; version=1"}
COUNTRIES = ["US", "DE", "US", "FR", "US", "DE", "CA", "US"]
IN_US = 'workAddress.country = "US"'
WAIT_SECONDS = 60
IN_PROFILES = {"unifiedProfile": ["enabled: true"], "unifiedIdentity": ["enabled:true"]}


def until(question, seconds=WAIT_SECONDS, what="it"):
    """Asks until the answer is true, and returns it."""
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        assert time.monotonic() < deadline, what + " does not come true"
        time.sleep(0.1)


class People:
    """Eight people with an e-mail address and a country, three of them with an order."""

    def __init__(self, server):
        self.server = server
        people = self.schema("People", "profile", "profile-work-details", "profile-personal-details")
        orders = self.schema("Orders", "experienceevent", "experienceevent-commerce")
        self.people, self.orders = self.dataset("People", people), self.dataset("Orders", orders)
        self.exports = self.dataset("Exports", people, {})
        self.inlet = self.make_inlet()
        for number, country in enumerate(COUNTRIES):
            self.send(people, self.people, {
                "_id": "person-%d" % number, "workAddress": {"country": country},
                "identityMap": {"Email": [{"id": self.address(number), "primary": True}]}})
        for number in range(3):
            self.send(orders, self.orders, {
                "_id": "order-%d" % number, "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "eventType": "commerce.purchases", "commerce": {"purchases": {"value": 1}},
                "identityMap": {"Email": [{"id": self.address(number), "primary": True}]}})
        until(self.are_all_there, what="that everybody is there")

    @staticmethod
    def address(number):
        return "person-%d@example.com" % number

    def are_all_there(self):
        path = ("/data/core/ups/access/entities?schema.name=_xdm.context.profile&entityIdNS=Email"
                "&entityId=" + self.address(len(COUNTRIES) - 1))
        return self.server.request("GET", path)[0] == 200

    def made(self, path, body, headers=None):
        status, answer = self.server.request("POST", path, body, headers)
        assert status in (200, 201, 202), (path, status, answer)
        return answer

    def schema(self, title, of_class, *groups):
        return self.made(REGISTRY + "/schemas", {
            "title": title, "type": "object", "meta:immutableTags": ["union"],
            "allOf": [{"$ref": CONTEXT + part} for part in (of_class, *groups, "identitymap")]},
            XED)["$id"]

    def dataset(self, name, schema, tags=IN_PROFILES):
        return self.made("/data/foundation/catalog/dataSets", {
            "name": name,
            "schemaRef": {"id": schema, "contentType": "application/vnd.adobe.xed+json;version=1"},
            "tags": tags})[0].rsplit("/", 1)[1]

    def make_inlet(self):
        connection = self.made("/data/foundation/flowservice/connections", {
            "name": "People", "providerId": "521eee4d-8cbe-4906-bb48-fb6bd4450033",
            "connectionSpec": {"id": "bc7b00d6-623a-4dfc-9fdb-f1240aeadaeb", "version": "1.0"},
            "auth": {"specName": "Streaming Connection",
                     "params": {"sourceId": "people", "dataType": "xdm", "name": "people"}}})["id"]
        found = self.server.request(
            "GET", "/data/foundation/flowservice/connections/" + connection)[1]
        return found["items"][0]["auth"]["params"]["inletId"]

    def send(self, schema, dataset, entity):
        reference = {"id": schema,
                     "contentType": "application/vnd.adobe.xed-full+json;version=1"}
        self.made("/collection/" + self.inlet, {
            "header": {"schemaRef": reference, "imsOrgId": harness.ORGANIZATION,
                       "datasetId": dataset, "source": {"name": "test"}},
            "body": {"xdmMeta": {"schemaRef": reference}, "xdmEntity": entity}})
