"""aepp.schema: what it makes, changes, lists and removes."""

import copy
import unittest

import harness

PROFILE = "https://ns.adobe.com/xdm/context/profile"
EVENT = "https://ns.adobe.com/xdm/context/experienceevent"
RECORD = "https://ns.adobe.com/xdm/data/record"
PERSON_DETAILS = "https://ns.adobe.com/xdm/context/profile-person-details"


def field_group(title, fields):
    return {
        "title": title, "type": "object", "description": "",
        "meta:intendedToExtend": [PROFILE],
        "definitions": {"customFields": {"type": "object", "properties": {
            "_luma": {"type": "object", "properties": fields}}}},
        "allOf": [{"$ref": "#/definitions/customFields", "type": "object",
                   "meta:xdmType": "object"}],
    }


class SchemaTest(harness.ClientTest):
    def setUp(self):
        from aepp import schema

        self.schema = schema.Schema(**self.aepp)

    def made(self, resource):
        self.assertIn("$id", resource, resource)
        return resource["$id"]

    def make_group(self, title, fields=None):
        fields = fields or {"crmId": {"title": "CRM id", "type": "string"}}
        return self.made(self.schema.createFieldGroup(field_group(title, fields)))

    def test_tenant_and_statistics(self):
        self.assertEqual(self.schema.getTenantId(), self.schema.getStats()["tenantId"])
        self.assertEqual(set(self.schema.getStats()["counts"]),
                         {"schemas", "mixins", "datatypes", "classes", "unions"})

    def test_what_is_built_in(self):
        behaviors = {row["$id"] for row in self.schema.getBehaviors()}
        self.assertIn(RECORD, behaviors)
        self.assertEqual(self.schema.getBehavior(RECORD)["$id"], RECORD)
        self.assertEqual({row["$id"] for row in self.schema.getClassesGlobal()},
                         {PROFILE, EVENT})
        groups = self.schema.getFieldGroupsGlobal()
        self.assertIn(PERSON_DETAILS, {row["$id"] for row in groups})
        of_events = self.schema.getFieldGroupsGlobal(prop="meta:intendedToExtend==" + EVENT)
        self.assertTrue(0 < len(of_events) < len(groups))
        self.assertIn("https://ns.adobe.com/xdm/context/person",
                      {row["$id"] for row in self.schema.getDataTypesGlobal()})
        self.schema.container = "global"
        try:
            full = self.schema.getFieldGroup(PERSON_DETAILS)
            self.assertEqual(full["properties"]["person"]["properties"]["gender"]["enum"][0],
                             "male")
        finally:
            self.schema.container = "tenant"

    def test_classes(self):
        made = self.schema.createClass(title="Store", class_template=RECORD)
        self.assertIn(RECORD, made["meta:extends"])
        changed = self.schema.patchClass(
            made["$id"], [{"op": "replace", "path": "/title", "value": "Shop"}])
        self.assertEqual(changed["title"], "Shop")
        self.assertIn(made["$id"], {row["$id"] for row in self.schema.getClasses()})
        full = self.schema.getClass(made["$id"])
        self.assertEqual(full["title"], "Shop")
        self.assertEqual(self.schema.deleteClass(made["$id"]), 204)
        self.assertEqual(self.schema.getClass(made["meta:altId"])["status"], 404)

    def test_data_types(self):
        made = self.schema.createDataType({
            "title": "Measurements", "type": "object",
            "properties": {"height": {"title": "Height", "type": "number"}}})
        used = self.make_group("With data type", {"size": {"$ref": self.made(made)}})
        full = self.schema.getFieldGroup(used)
        size = full["properties"]["_luma"]["properties"]["size"]
        self.assertEqual(size["properties"]["height"]["meta:xdmType"], "number")
        self.schema.patchDataType(made["meta:altId"], [  # aepp does not encode ids here
            {"op": "add", "path": "/properties/weight",
             "value": {"title": "Weight", "type": "number"}}])
        self.assertIn("weight", self.schema.getDataType(made["$id"])["properties"])
        self.assertIn(made["$id"], {row["$id"] for row in self.schema.getDataTypes()})
        refused = self.schema.deleteDataType(made["$id"])
        self.assertEqual(refused["status"], 400, refused)
        self.assertEqual(self.schema.deleteFieldGroup(used), 204)
        self.assertEqual(self.schema.deleteDataType(made["$id"]), 204)

    def test_field_groups(self):
        group = self.make_group("Ratings", {"stars": {"title": "Stars", "type": "integer"}})
        document = self.schema.getFieldGroup(group, full=False)
        self.assertEqual(document["allOf"][0]["$ref"], "#/definitions/customFields")
        changed = copy.deepcopy(document)
        changed["definitions"]["customFields"]["properties"]["_luma"]["properties"]["note"] = {
            "title": "Note", "type": "string"}
        self.assertIn("$id", self.schema.putFieldGroup(group, changed))
        full = self.schema.getFieldGroup(group)
        self.assertEqual(set(full["properties"]["_luma"]["properties"]), {"stars", "note"})
        extended = self.schema.extendFieldGroup(group)
        self.assertEqual(set(extended["meta:intendedToExtend"]), {PROFILE, EVENT})
        self.assertIn(group, {row["$id"] for row in self.schema.getFieldGroups()})

    def test_schemas(self):
        group = self.make_group("Person fields")
        made = self.schema.createProfileSchema(
            name="People", fieldGroupIds=[PERSON_DETAILS, group])
        schema_id = self.made(made)
        self.assertEqual(made["meta:class"], PROFILE)
        self.assertIn(schema_id, {row["$id"] for row in self.schema.getSchemas()})
        self.assertIn(schema_id,
                      {row["$id"] for row in self.schema.getSchemas(classFilter=PROFILE)})
        for name in (schema_id, made["meta:altId"]):
            full = self.schema.getSchema(name)
            self.assertIn("xdm:person", full["properties"])
            plain = self.schema.getSchema(name, schema_type="xed")
            self.assertIn("firstName",
                          plain["properties"]["person"]["properties"]["name"]["properties"])
        more = self.make_group("More person fields", {"tier": {"title": "Tier",
                                                               "type": "string"}})
        self.assertIn("$id", self.schema.addFieldGroupToSchema(schema_id, [more]))
        plain = self.schema.getSchema(schema_id, schema_type="xed")
        self.assertEqual(set(plain["properties"]["_luma"]["properties"]), {"crmId", "tier"})
        self.assertEqual(self.schema.deleteSchema(schema_id), 204)

    def test_paths_samples_and_copies(self):
        group = self.make_group("Copied fields")
        made = self.schema.createProfileSchema(
            name="With paths", fieldGroupIds=[PERSON_DETAILS, group])
        paths = self.schema.getSchemaPaths(made["$id"])
        self.assertIn("person.name.firstName", paths)
        self.assertIn("_luma.crmId", paths)
        sample = self.schema.getSchemaSample(made["$id"])
        self.assertIn("crmId", sample["_luma"])
        copied = self.schema.copyFieldGroup(
            self.schema.getFieldGroup(group, full=False), title="A copy")
        self.assertEqual(self.schema.createFieldGroup(copied)["title"], "A copy")
        self.assertEqual(self.schema.getSchemasGlobal(), [])

    def test_unions(self):
        group = self.make_group("Event fields", {"channel": {"title": "Channel",
                                                             "type": "string"}})
        made = self.schema.createExperienceEventSchema(name="Events", fieldGroupIds=[group])
        enabled = self.schema.enableSchemaForRealTime(self.made(made))
        self.assertEqual(enabled["meta:immutableTags"], ["union"])
        unions = {row["$id"] for row in self.schema.getUnions()}
        self.assertIn(EVENT + "__union", unions)
        union = self.schema.getUnion(EVENT + "__union")
        self.assertIn("channel", union["properties"]["_luma"]["properties"])
        self.assertEqual(self.schema.getXDMprofileSchema()["_page"]["next"], None)
        refused = self.schema.deleteSchema(made["$id"])
        self.assertEqual(refused["status"], 400, refused)

    def test_descriptors(self):
        group = self.make_group("Identity fields", {"email": {"title": "E-mail",
                                                              "type": "string"}})
        made = self.schema.createProfileSchema(name="With identity", fieldGroupIds=[group])
        operation = self.schema.createDescriptorOperation(
            sourceSchema=made["$id"], completePath="/_luma/email", identityNSCode="Email",
            identityPrimary=True, descType="xdm:descriptorIdentity")
        created = self.schema.createDescriptor(operation)
        self.assertIn("@id", created, created)
        self.assertEqual(self.schema.getDescriptor(created["@id"])["xdm:namespace"], "Email")
        listed = self.schema.getDescriptors(
            type_desc="xdm:descriptorIdentity", prop="xdm:sourceSchema==" + made["$id"])
        self.assertEqual([row["@id"] for row in listed], [created["@id"]])
        with_descriptors = self.schema.getSchema(made["$id"], desc=True)
        self.assertEqual(with_descriptors["meta:descriptors"][0]["@id"], created["@id"])
        again = self.schema.createDescriptor(
            sourceSchema=made["$id"], sourceProperty="/_luma/email", namespace="Email",
            primary=True)
        self.assertEqual(again["status"], 400, again)
        replaced = self.schema.putDescriptor(created["@id"], dict(
            operation, **{"xdm:isPrimary": False}))
        self.assertEqual(replaced["@id"], created["@id"])
        self.assertEqual(self.schema.deleteDescriptor(created["@id"]), 204)
        self.assertEqual(self.schema.getDescriptor(created["@id"])["status"], 404)

    def test_managers(self):
        """The classes that walk definitions and properties of what they read."""
        group = self.make_group("Managed fields", {
            "score": {"title": "Score", "type": "integer"},
            "tags": {"title": "Tags", "type": "array", "items": {"type": "string"}}})
        manager = self.schema.FieldGroupManager(group)
        frame = manager.to_dataframe()
        self.assertEqual(dict(zip(frame["path"], frame["type"])),
                         {"_luma": "object", "_luma.score": "integer",
                          "_luma.tags[]": "string[]"})
        made = self.schema.createProfileSchema(
            name="Managed", fieldGroupIds=[PERSON_DETAILS, group])
        schema_manager = self.schema.SchemaManager(made["$id"])
        frame = schema_manager.to_dataframe()
        self.assertIn("person.name.firstName", set(frame["path"]))

    def test_the_shop(self):
        shop = harness.data_file("registry.json")
        for group in shop["fieldgroups"]:
            self.assertEqual(self.made(self.schema.createFieldGroup(group)), group["$id"])
        for document in shop["schemas"]:
            self.assertEqual(self.made(self.schema.createSchema(document)), document["$id"])
        for descriptor in shop["descriptors"]:
            self.assertIn("@id", self.schema.createDescriptor(descriptor))
        titles = {row["title"] for row in self.schema.getSchemas()}
        self.assertTrue({"Luma person", "Luma web event"} <= titles)


if __name__ == "__main__":
    unittest.main()
