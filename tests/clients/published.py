"""The published description of the Segmentation Service, where it is, and answers held against it.

It lies beside the project, in ../shared/reference, or where MUSTER_REFERENCE says, and is never a
part of the project. Its schemas are read as people read them: `oneOf` the two kinds of audiences
(each takes any object) means the one that the member `type` names, and the results of a bulk-get
whose properties are sample ids mean any id (docs/decisions/0241)."""

import os
import re

HTTP_METHODS = ("get", "post", "put", "patch", "delete")
# What any operation may answer, whatever is listed for it (A15).
ANYWHERE = {400, 401, 403, 404, 405, 412, 413, 429, 503}
ID = re.compile(r"^[0-9a-f]{8}-[0-9a-f-]{27}$|_[0-9a-f]{8}-[0-9a-f-]{27}$")


def folder():
    project = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return os.environ.get("MUSTER_REFERENCE") or os.path.join(
        os.path.dirname(project), "shared", "reference")


def path_of(name):
    return os.path.join(folder(), name)


class Published:
    def __init__(self, name):
        import yaml

        with open(path_of(name), encoding="utf-8") as file:
            # Instants stay texts, as they are on the wire.
            loader = type("Loader", (yaml.SafeLoader,), {})
            loader.yaml_implicit_resolvers = {
                key: [row for row in rows if row[0] != "tag:yaml.org,2002:timestamp"]
                for key, rows in yaml.SafeLoader.yaml_implicit_resolvers.items()}
            self.document = yaml.load(file, loader)
        self.components = {"schemas": {name: as_json_schema(schema) for name, schema
                                       in self.document["components"]["schemas"].items()}}

    def resolve(self, value):
        while isinstance(value, dict) and "$ref" in value:
            target = self.document
            for part in value["$ref"][2:].split("/"):
                target = target[part]
            value = target
        return value

    def operations(self):
        for path, item in self.document["paths"].items():
            for method in HTTP_METHODS:
                if method in item:
                    yield method, path, item[method]

    # -------- requests --------

    def parameters(self, operation, place):
        """{name: example} of the parameters in one place; None without an example."""
        found = {}
        for parameter in map(self.resolve, operation.get("parameters", [])):
            if parameter["in"] == place:
                found[parameter["name"]] = parameter.get(
                    "example", parameter.get("schema", {}).get("example"))
        return found

    def bodies(self, operation):
        """{name: body} of the examples of an operation's request; those that its schema's members
        have together where it has none of its own."""
        found = {}
        for media in operation.get("requestBody", {}).get("content", {}).values():
            if "examples" in media:
                found.update({name: self.resolve(example)["value"]
                              for name, example in media["examples"].items()})
            elif "example" in media:
                found["example"] = media["example"]
            else:
                found["schema"] = self.sample(media["schema"])
        return found

    def sample(self, schema):
        """What the examples of the members come to; None where there is none."""
        schema = self.resolve(schema)
        if "example" in schema:
            return schema["example"]
        if "properties" in schema:
            members = {name: self.sample(member) for name, member in schema["properties"].items()}
            return {name: value for name, value in members.items() if value is not None}
        if "items" in schema:
            item = self.sample(schema["items"])
            return None if item is None else [item]
        return None

    # -------- answers --------

    def response(self, operation, status):
        """(schema or None, {name: example}) of an answer; None when the status is not listed."""
        response = operation["responses"].get(str(status), operation["responses"].get(status))
        if response is None:
            return None
        for media in self.resolve(response).get("content", {}).values():
            examples = {name: self.resolve(example).get("value")
                        for name, example in media.get("examples", {}).items()}
            if "example" in media:
                examples["example"] = media["example"]
            return media.get("schema"), examples
        return None, {}

    def deviations(self, schema, answer):
        """[(where, keyword, text)] of what the schema does not allow."""
        import jsonschema

        root = {**as_json_schema(schema), "components": self.components}
        found = jsonschema.Draft202012Validator(root).iter_errors(answer)
        return [("/" + "/".join(map(str, error.absolute_path)), error.validator, error.message)
                for error in leaves(found)]


def leaves(errors):
    for error in errors:
        if error.context:
            yield from leaves(error.context)
        else:
            yield error


def as_json_schema(schema):
    """A schema of OpenAPI 3.0 as one of JSON Schema."""
    if isinstance(schema, list):
        return [as_json_schema(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}
    out = {}
    for name, value in schema.items():
        if name in ("type", "enum", "minimum", "maximum", "minItems", "maxItems", "pattern"):
            out[name] = value
        elif name == "required" and isinstance(value, list):
            out[name] = value
        elif name in ("items", "additionalProperties", "not"):
            out[name] = as_json_schema(value)
        elif name in ("allOf", "anyOf"):
            out[name] = as_json_schema(value)
        elif name == "oneOf":
            out.update(one_of(as_json_schema(value)))
        elif name == "properties":
            out.update(members(value))
    return out


def one_of(choices):
    if len(choices) == 1:
        return choices[0]
    own, external = choices
    return {"if": {"properties": {"type": {"const": "SegmentDefinition"}}},
            "then": own, "else": external}


def members(properties):
    if properties and all(ID.search(name) for name in properties):
        return {"additionalProperties": as_json_schema(next(iter(properties.values())))}
    return {"properties": {name: as_json_schema(value) for name, value in properties.items()}}


def kind(value):
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    return {str: "string", list: "array", dict: "object", type(None): "null"}[type(value)]


def differences(example, answer, where=""):
    """[(where, "kind", text)]: members of an example that an answer has with another JSON type."""
    if kind(example) != kind(answer):
        return [(where or "/", "kind", "%s in the example, not %s" % (kind(example), kind(answer)))]
    found = []
    if isinstance(example, dict):
        for name in example.keys() & answer.keys():
            found += differences(example[name], answer[name], where + "/" + name)
    elif isinstance(example, list) and example and answer:
        found += differences(example[0], answer[0], where + "/0")
    return found
