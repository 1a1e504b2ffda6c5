"""What schemathesis can't know: rules, classes and versions that the server takes. Three requests of
four get them, so that their answers lead on to what has an id; the others stay as they were made."""

import zlib

import schemathesis

RULES = ['workAddress.country = "US"', 'workAddress.country.isNotNull()', 'not(true)',
         'homeAddress.countryCode = "DE"']
PROFILE = "_xdm.context.profile"


def number_of(value):
    """The same number for the same request."""
    return zlib.crc32(repr(value).encode())


def without(body, *names):
    return {name: value for name, value in body.items() if name not in names}


def with_rule(body, rule):
    if isinstance(body.get("expression"), dict) and isinstance(body.get("name"), str):
        body = without(body, "mergePolicyId", "namespace", "type", "datasetId", "lifecycleState")
        body.update(expression={"type": "PQL", "format": "pql/text", "value": rule},
                    schema={"name": PROFILE}, name="%s %d" % (body["name"][:9], number_of(body)))
    if isinstance(body.get("predicateExpression"), str):
        body = {**without(body, "mergePolicyId"), "predicateExpression": rule,
                "predicateType": "pql/text", "predicateModel": PROFILE}
    return body


@schemathesis.hook
def map_body(context, body):
    if not isinstance(body, dict) or number_of(body) % 4 == 0:
        return body
    body = with_rule(body, RULES[number_of(body) // 4 % len(RULES)])
    if isinstance(body.get("segments"), list) and "id" not in body:
        body = {**body, "segments": [{"segmentId": "*"}]}
    if isinstance(body.get("schedule"), str):
        body = {**body, "schedule": "0 0 1 * * ?", "properties": {"segments": ["*"]}}
    if isinstance(body.get("destination"), dict):
        body = without(body, "mergePolicy", "filter")
    return body


@schemathesis.hook
def map_headers(context, headers):
    if isinstance(headers, dict) and number_of(headers) % 4 != 0:
        return without(headers, "If-Match", "If-None-Match")
    return headers
