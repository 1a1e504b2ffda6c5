#!/usr/bin/env python3
"""Makes what a stream of web events needs in a fresh server: a schema of standard field groups, a
dataset and an inlet. Prints inlet, schema and dataset, one a line.

    prepare.py http://127.0.0.1:PORT ORGANIZATION
"""
import json
import sys
import urllib.request

BASE, ORGANIZATION = sys.argv[1], sys.argv[2]
HEADERS = {
    "Authorization": "Bearer token",
    "x-api-key": "bench",
    "x-gw-ims-org-id": ORGANIZATION,
    "x-sandbox-name": "prod",
    "Content-Type": "application/json",
    "Accept": "application/vnd.adobe.xed+json; version=1",
}
CLASS = "https://ns.adobe.com/xdm/context/experienceevent"
GROUPS = ["experienceevent-web", "experienceevent-commerce", "experienceevent-environment-details"]


def call(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(BASE + path, data=data, headers=HEADERS, method=method)
    with urllib.request.urlopen(request) as reply:
        return json.load(reply)


def main():
    parts = [CLASS] + ["https://ns.adobe.com/xdm/context/" + group for group in GROUPS]
    schema = call("POST", "/data/foundation/schemaregistry/tenant/schemas", {
        "title": "Web events",
        "type": "object",
        "allOf": [{"$ref": part} for part in parts],
        "meta:immutableTags": ["union"],
    })["$id"]
    dataset = call("POST", "/data/foundation/catalog/dataSets", {
        "name": "Web events",
        "schemaRef": {"id": schema, "contentType": "application/vnd.adobe.xed+json;version=1"},
        "tags": {"unifiedProfile": ["enabled:true"], "unifiedIdentity": ["enabled:true"]},
    })[0].rsplit("/", 1)[1]
    connection = call("POST", "/data/foundation/flowservice/connections", {
        "name": "Web events",
        "providerId": "521eee4d-8cbe-4906-bb48-fb6bd4450033",
        "connectionSpec": {"id": "bc7b00d6-623a-4dfc-9fdb-f1240aeadaeb", "version": "1.0"},
        "auth": {"specName": "Streaming Connection",
                 "params": {"sourceId": "bench", "dataType": "xdm", "name": "bench"}},
    })["id"]
    inlet = call("GET", "/data/foundation/flowservice/connections/" + connection)
    print(inlet["items"][0]["auth"]["params"]["inletId"])
    print(schema)
    print(dataset)


main()
