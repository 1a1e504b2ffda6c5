"""aepp.segmentation: every method of the class, over people of a shop."""

import inspect
import os
import unittest

import harness
from people import COUNTRIES, IN_US, People, until

EDGE_OF_TIME = 2 ** 31
# Never returns: it waits while a state differs from two words at once.
NEVER_ENDS = {"estimateExpression"}


class Recorder:
    """An object whose methods are called through, their names kept."""

    def __init__(self, target):
        self.target, self.called = target, set()

    def __getattr__(self, name):
        if not name.startswith("_"):
            self.called.add(name)
        return getattr(self.target, name)


def mount_local(session, base):
    """Sends what aepp addresses to the original's host, whatever is configured, to a server."""
    from requests.adapters import HTTPAdapter

    class Local(HTTPAdapter):
        def send(self, request, **options):
            request.url = request.url.replace("https://platform.adobe.io", base, 1)
            return super().send(request, **options)

    session.mount("https://platform.adobe.io", Local())


class SegmentationTest(harness.ClientTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        from aepp import segmentation

        cls.people = People(cls.server)
        cls.all = Recorder(segmentation.Segmentation(**cls.aepp))
        cls.methods = {name for name, _ in inspect.getmembers(
            segmentation.Segmentation, inspect.isfunction) if not name.startswith("_")}
        mount_local(cls.all.connector.session, cls.server.base)
        cls.n = 0

    def setUp(self):
        self.segmentation = self.all

    def definition(self, **more):
        type(self).n += 1
        made = self.segmentation.createSegment({
            "name": "Definition %d" % self.n, "description": "In the US",
            "expression": {"type": "PQL", "format": "pql/text", "value": IN_US},
            "schema": {"name": "_xdm.context.profile"}, "ttlInDays": 30, **more})
        self.assertIn("id", made, made)
        return made

    def finished(self, get, identifier, states=("SUCCEEDED",)):
        def answer():
            found = get(identifier)
            return found if found.get("status", found.get("state")) in states else None
        return until(answer, what=str(identifier))

    # -------- definitions --------

    def test_definitions(self):
        made = self.definition()
        self.assertEqual(made["ttlInDays"], 30)
        self.assertEqual(self.segmentation.getSegment(made["id"])["name"], made["name"])
        changed = self.segmentation.updateSegment(made["id"], {**made, "description": "Changed"})
        self.assertEqual(changed["description"], "Changed")
        several = self.segmentation.getMultipleSegments([made["id"], "none"])
        self.assertEqual(several[made["id"]]["id"], made["id"])
        self.assertIn("errors", several["none"])
        found = self.segmentation.getResource(
            self.segmentation.endpoint + "/segment/definitions", {"name": made["name"]})
        self.assertIn(made["id"], [row["id"] for row in found["segments"]])
        self.assertEqual(self.segmentation.deleteSegment(made["id"]), 200)
        self.assertEqual(self.segmentation.getSegment(made["id"])["status"], 404)
        self.assertEqual(self.segmentation.deleteSegment(made["id"])["status"], 404)

    def test_all_definitions_over_several_pages(self):
        made = {self.definition()["id"] for _ in range(120)}
        found = [row["id"] for row in self.segmentation.getSegments()]
        self.assertEqual(len(found), len(set(found)))
        self.assertLessEqual(made, set(found))
        streaming = self.definition(evaluationInfo={"continuous": {"enabled": True}})["id"]
        self.assertIn(streaming, [row["id"] for row in
                                  self.segmentation.getSegments(onlyRealTime=True)])
        for one in made:
            self.segmentation.deleteSegment(one)

    def test_conversion(self):
        text = {"type": "PQL", "format": "pql/text", "value": IN_US}
        tree = self.segmentation.convertSegmentDef(name="In the US", expression=text)
        self.assertEqual(tree["expression"]["format"], "pql/json")
        back = self.segmentation.convertSegmentDef(name="In the US", expression=tree["expression"],
                                                   description="back")
        self.assertEqual(back["expression"]["value"], IN_US)

    # -------- jobs --------

    def test_jobs(self):
        first, second = self.definition()["id"], self.definition()["id"]
        made = self.segmentation.createJob([first, second])
        self.assertIn(made["status"], ("NEW", "QUEUED"))
        done = self.finished(self.segmentation.getJob, made["id"])
        self.assertEqual(done["metrics"]["segmentedProfileCounter"],
                         {one: COUNTRIES.count("US") for one in (first, second)})
        self.assertIn(made["id"], [row["id"] for row in self.segmentation.getJobs()])
        self.assertIn(made["id"], [row["id"] for row in
                                   self.segmentation.getJobs(status="SUCCEEDED")])
        self.assertEqual(self.segmentation.getJobs(name="none"), [])
        self.assertEqual(self.segmentation.deleteJob(made["id"]), 204)
        self.assertEqual(self.segmentation.deleteJob("none")["status"], 404)
        audience = self.segmentation.getAudience(first)
        self.assertEqual(audience["metrics"]["data"]["totalProfiles"], COUNTRIES.count("US"))

    # -------- exports --------

    def test_exports(self):
        request = {"destination": {"datasetId": self.people.exports},
                   "schema": {"name": "_xdm.context.profile"}, "fields": "workAddress.country"}
        made = [self.segmentation.createExport(request)["id"] for _ in range(3)]
        done = self.finished(self.segmentation.getExport, made[-1])
        self.assertEqual(done["metrics"]["totalExportedProfileCounter"], len(COUNTRIES))
        found = [row["id"] for row in self.segmentation.getExportJobs(limit=2)]
        self.assertEqual(sorted(found), sorted(set(found)))
        self.assertLessEqual(set(made), set(found))
        done = [row["id"] for row in self.segmentation.getExportJobs(status="SUCEEDED")]
        self.assertLessEqual(set(made), set(done))
        self.assertEqual(self.segmentation.deleteExport(made[0]), 200)
        self.assertEqual(self.segmentation.getExport(made[0])["status"], 404)

    # -------- previews --------

    def test_previews(self):
        made = self.segmentation.createPreview(IN_US)["previewId"]
        done = self.finished(self.segmentation.getPreview, made, ("RESULT_READY",))
        self.assertEqual(len(done["results"]), COUNTRIES.count("US"))
        estimate = self.finished(self.segmentation.getEstimate, made, ("RESULT_READY",))
        self.assertEqual((estimate["estimatedSize"], estimate["totalRows"]),
                         (COUNTRIES.count("US"), len(COUNTRIES)))
        self.assertEqual(self.segmentation.deletePreview(made), 200)
        self.assertEqual(self.segmentation.getPreview(made)["status"], 404)
        self.assertEqual(self.segmentation.createPreview("workAddress.country =")["status"], 400)

    # -------- schedules --------

    def test_schedules(self):
        system = self.segmentation.getSchedules()
        self.assertIn(("batch_segmentation", "daily"),
                      [(row["type"], row["frequency"]) for row in system])
        made = self.segmentation.createSchedule({
            "name": "Mondays", "type": "batch_segmentation", "properties": {"segments": ["*"]},
            "schedule": "0 0 1 ? * MON", "state": "inactive"})
        self.assertEqual(self.segmentation.getSchedule(made["id"])["frequency"], "weekly")
        self.segmentation.updateSchedule(made["id"], [
            {"op": "add", "path": "/state", "value": "active"}])
        self.assertEqual(self.segmentation.getSchedule(made["id"])["state"], "active")
        self.segmentation.updateScheduledBatchSegmentationJob("0 30 2 * * ?")
        self.assertIn("0 30 2 * * ?", [row["schedule"] for row in
                                       self.segmentation.getSchedules(n_results=10)])
        self.assertEqual(self.segmentation.deleteSchedule(made["id"]), 204)
        self.assertEqual(self.segmentation.getSchedule(made["id"])["status"], 404)

    # -------- audiences --------

    def test_audiences(self):
        made = self.segmentation.createAudience(dict(self.segmentation.PLATFORM_AUDIENCE_DICT))
        self.assertEqual((made["type"], made["ttlInDays"]), ("SegmentDefinition", 60))
        moved = self.segmentation.patchAudience(made["id"], [
            {"op": "add", "path": "linkedAudienceRef", "value": {"audienceFolderId": "summer"}}])
        self.assertEqual(moved["linkedAudienceRef"], {"audienceFolderId": "summer"})
        known = self.segmentation.getAudience(made["id"])
        known.update(description="put", tags=["one"], ansibleDataModel={"any": [1]})
        put = self.segmentation.putAudience(made["id"], known)
        self.assertEqual((put["description"], put["tags"]), ("put", ["one"]))
        self.assertEqual(self.segmentation.deleteAudience(made["id"]), 204)
        self.assertEqual(self.segmentation.getAudience(made["id"])["status"], 404)

    def test_all_audiences_over_several_pages(self):
        made = {self.definition(description="paged")["id"] for _ in range(7)}
        found = [row["id"] for row in self.segmentation.getAudiences(
            limit=2, description="PAGED", sort="name:asc")]
        self.assertEqual(len(found), 7)
        self.assertEqual(set(found), made)
        one = found[0]
        self.assertEqual([row["id"] for row in self.segmentation.getAudiences(
            prop="audienceId==" + one)], [one])
        name = self.segmentation.getAudience(one)["name"].upper()
        self.assertIn(one, [row["id"] for row in self.segmentation.getAudiences(name=name)])

    def test_what_an_audience_reads(self):
        tree = self.segmentation.convertSegmentDef(name="x", expression={
            "type": "PQL", "format": "pql/text", "value": IN_US})["expression"]
        used = self.definition(expression=tree)
        self.assertEqual(self.segmentation.extractPaths(used["id"]), ["workAddress.country"])
        user = self.definition(expression={
            "type": "PQL", "format": "pql/text", "value": 'inSegment("%s")' % used["id"]})
        self.assertEqual(self.segmentation.extractAudiences(user["id"]), [used["id"]])
        self.assertEqual(self.segmentation.deleteSegment(used["id"])["status"], 400)

    # -------- search --------

    def test_search(self):
        name = "Wanderers"
        made = self.definition(name=name)["id"]
        found = self.segmentation.searchNamespaces("name:" + name)
        self.assertEqual(found["namespaces"][0]["namespace"], "AEPSegments")
        rows = self.segmentation.searchEntities("name:" + name, namespace="AEPSegments")
        self.assertEqual([row["id"] for row in rows], [made])
        self.assertEqual(self.segmentation.searchEntities("nothing"), [])

    # -------- external audiences --------

    def external(self):
        request = {**self.segmentation.EXTERNAL_AUDIENCE_DICT, "name": "Readers %d" % self.n}
        type(self).n += 1
        request["fields"] = [{"name": "email", "type": "string", "identityNs": "email"}]
        request["sourceSpec"] = {"params": {"path": "readers.csv", "type": "file",
                                            "cloudType": "DLZ"}}
        made = self.segmentation.createExtenalAudience(request)
        self.assertIn("operationId", made, made)
        return self.finished(self.segmentation.getExternalAudienceStatus, made["operationId"],
                             ("SUCCESS",))["audienceId"]

    def test_external_audiences(self):
        landing = os.path.join(self.server.folder, "data", "landing", "prod")
        os.makedirs(landing, exist_ok=True)
        with open(os.path.join(landing, "readers.csv"), "w", encoding="utf-8") as file:
            file.write("email\n%s\n%s\n" % (self.people.address(0), self.people.address(3)))
        audience = self.external()
        run = self.segmentation.runExternalAudienceJob(audience, endTime=str(EDGE_OF_TIME))
        self.assertIn("runId", run, run)
        done = until(lambda: [row for row in [self.segmentation.getExternalAudienceJob(
            audience, run["runId"])] if row["status"] != "PROCESSING"])[0]
        self.assertEqual(done["status"], "SUCCESS", done)
        found = self.segmentation.getAudience(audience)
        self.assertEqual((found["type"], found["metrics"]["data"]["totalProfiles"]),
                         ("ExternalSegment", 2))
        self.assertIn("status", self.segmentation.getExternalAudienceStatus("none"))

    # -------- everything --------

    def test_zz_every_method_was_called(self):
        self.assertEqual(self.methods - self.all.called, NEVER_ENDS)


if __name__ == "__main__":
    unittest.main()
