"""Export jobs: rows as Parquet, read back by DuckDB, against the same rows as JSON and CSV; aepp's calls."""

import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest

import harness

HERE = os.path.dirname(os.path.abspath(__file__))
NODE = os.path.join(os.path.dirname(os.path.dirname(HERE)), "build", "duckdb-node")
PROFILE = "https://ns.adobe.com/xdm/context/profile"
EVENT = "https://ns.adobe.com/xdm/context/experienceevent"
SECONDS = 60


def duckdb_library():
    """libduckdb.so of the npm package, installed at first use; skips loudly where that fails."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise unittest.SkipTest("node and npm are needed to read Parquet back")
    os.makedirs(NODE, exist_ok=True)
    shutil.copy(os.path.join(HERE, "duckdb", "package.json"), NODE)
    library = os.path.join(NODE, "node_modules", "@duckdb", "node-bindings-linux-x64",
                           "libduckdb.so")
    if not os.path.exists(library):
        done = subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=NODE,
                              capture_output=True, check=False, timeout=600)
        if done.returncode != 0 or not os.path.exists(library):
            raise unittest.SkipTest("npm could not install DuckDB")
    return library


class ExportTest(harness.ClientTest):
    @classmethod
    def setUpClass(cls):
        cls.server_options = ("--duckdb-library", duckdb_library(), "--tenant", "luma")
        super().setUpClass()
        cls.fill()

    @classmethod
    def call(cls, method, path, body=None):
        status, answer = cls.server.request(method, path, body)
        assert status in (200, 201), (method, path, status, answer)
        return answer

    @classmethod
    def dataset(cls, schema, **members):
        made = cls.call("POST", "/data/foundation/catalog/dataSets",
                        {"name": "set", "schemaRef": {"id": schema,
                         "contentType": "application/vnd.adobe.xed+json;version=1"},
                         "tags": {"unifiedProfile": ["enabled:true"],
                                  "unifiedIdentity": ["enabled:true"],
                                  "acp_validationContext": ["disabled"]}, **members})
        return made[0].rsplit("/", 1)[1]

    @classmethod
    def send(cls, schema, dataset, entities):
        batch = cls.call("POST", "/data/foundation/import/batches",
                         {"datasetId": dataset, "inputFormat": {"format": "json"}})["id"]
        lines = "\n".join(json.dumps(entity) for entity in entities).encode()
        status, _ = cls.server.request(
            "PUT", "/data/foundation/import/batches/%s/datasets/%s/files/a.json" % (batch, dataset),
            lines, {"Content-Type": "application/octet-stream"})
        assert status in (200, 201), status
        cls.call("POST", "/data/foundation/import/batches/%s?action=COMPLETE" % batch)
        for _ in range(SECONDS * 10):
            found = cls.call("GET", "/data/foundation/catalog/batches/" + batch)[batch]
            if found["status"] in ("success", "failed"):
                break
            time.sleep(0.1)
        assert found["status"] == "success", found

    @classmethod
    def fill(cls):
        def identity(i):
            return {"Email": [{"id": "p%d@example.com" % i, "primary": True}]}
        names = ["Ada", "O'Neil \"x\"", "a,b\r\nc", "", "Zo\u00eb \U0001F600", " blank "]
        people = [{"identityMap": identity(i),
                   "person": {"name": {"firstName": names[i % len(names)]},
                              "birthYear": 1950 + i},
                   "homeAddress": {"city": "Basel" if i % 2 else "Bern"}} for i in range(50)]
        events = [{"_id": "e%d" % i, "timestamp": "2026-01-02T03:04:05.%03dZ" % i,
                   "eventType": "shop", "identityMap": identity(i % 40),
                   "commerce": {"order": {"priceTotal": 10.5 + i}}} for i in range(200)]
        cls.send(PROFILE, cls.dataset(PROFILE), people)
        cls.send(EVENT, cls.dataset(EVENT), events)

    def export(self, form, **members):
        dataset = self.dataset(PROFILE, fileDescription={"format": form})
        job = self.call("POST", "/data/core/ups/export/jobs",
                        {"destination": {"datasetId": dataset},
                         "schema": {"name": "_xdm.context.profile"}, **members})
        for _ in range(SECONDS * 10):
            job = self.call("GET", "/data/core/ups/export/jobs/%d" % job["id"])
            if job["status"] in ("SUCCEEDED", "FAILED"):
                break
            time.sleep(0.1)
        self.assertEqual(job["status"], "SUCCEEDED", job)
        return job, self.download(job["destination"]["batchId"], form)

    def download(self, batch, form):
        files = self.call("GET", "/data/foundation/export/batches/%s/files" % batch)["data"]
        self.assertEqual(len(files), 1)
        path = "/data/foundation/export/files/%s?path=profiles.%s" % (files[0]["dataSetFileId"],
                                                                      form)
        target = os.path.join(self.folder, "profiles." + form)
        subprocess.run(["curl", "-sS", "--fail", "-m", "60", "-o", target, "-H",
                        "Authorization: Bearer x", "-H", "x-api-key: k", "-H",
                        "x-gw-ims-org-id: " + harness.ORGANIZATION, "-H", "x-sandbox-name: prod",
                        self.server.base + path], check=True)
        return target

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="muster-exports-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def read(self, *paths):
        """Each file's rows, as DuckDB has them."""
        shutil.copy(os.path.join(HERE, "duckdb", "rows.mjs"), NODE)
        done = subprocess.run(["node", "rows.mjs", *paths], cwd=NODE, capture_output=True,
                              check=False, timeout=SECONDS)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return json.loads(done.stdout)

    def compare(self, n_rows, **members):
        job, lines = self.export("json", **members)
        _, parquet = self.export("parquet", **members)
        self.assertEqual(job["metrics"]["totalExportedProfileCounter"], n_rows)
        written, read = self.read(lines, parquet)
        self.assertEqual(len(read["rows"]), n_rows)
        self.assertEqual(written["rows"], read["rows"])
        return read

    def test_parquet_holds_the_same_rows_as_json(self):
        read = self.compare(50)
        self.assertIn("STRUCT", read["types"]["person"])
        self.assertTrue(read["types"]["identityMap"].startswith("MAP("))

    def test_events_keep_their_types_and_times(self):
        read = self.compare(50, fields="person.name,identityMap",
                            additionalFields={"eventList": {}})
        self.assertIn("TIMESTAMP WITH TIME ZONE", read["types"]["timeSeriesEvents"])
        self.assertNotIn("homeAddress", read["types"])

    def test_csv_is_read_back_too(self):
        fields = "person.name.firstName,homeAddress.city"
        _, lines = self.export("json", fields=fields)
        _, cells = self.export("csv", fields=fields)
        written, read = self.read(lines, cells)
        flat = sorted(((row.get("person") or {}).get("name") or {}).get("firstName")
                      for row in written["rows"])
        self.assertEqual(flat, sorted(row["person.name.firstName"] for row in read["rows"]))
        self.assertEqual(len(read["rows"]), 50)

    def test_aepp_lists_and_reads_jobs(self):
        from aepp import segmentation

        client = segmentation.Segmentation(**self.aepp)
        made = client.createExport({"destination": {"datasetId": "x"},
                                    "schema": {"name": "_xdm.context.profile"}})
        self.assertIn("id", made, made)
        jobs = client.getExportJobs()
        self.assertIn(made["id"], [job["id"] for job in jobs])
        self.assertEqual(client.getExport(str(made["id"]))["id"], made["id"])
        self.assertEqual(client.deleteExport(str(made["id"])), 200)


if __name__ == "__main__":
    unittest.main()
