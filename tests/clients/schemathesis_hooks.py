"""What schemathesis can't know: rules that a server takes. Three bodies of four get one, so that
their answers lead on to what has an id."""

import zlib

import schemathesis

RULES = ['workAddress.country = "US"', 'workAddress.country.isNotNull()', 'not(true)',
         'select X from xEvent where X.eventType = "commerce.purchases"']


def chosen(body):
    """A rule for three bodies of four, always the same one for the same body."""
    number = zlib.crc32(repr(body).encode())
    return None if number % 4 == 0 else RULES[number // 4 % len(RULES)]


@schemathesis.hook
def map_body(context, body):
    if not isinstance(body, dict):
        return body
    rule = chosen(body)
    if rule is None:
        return body
    expression = body.get("expression")
    if isinstance(expression, dict) and isinstance(expression.get("value"), (str, dict)):
        body = {**body, "expression": {**expression, "type": "PQL", "format": "pql/text",
                                       "value": rule}}
        body.pop("mergePolicyId", None)
    if isinstance(body.get("predicateExpression"), str):
        body = {**body, "predicateExpression": rule, "predicateType": "pql/text",
                "predicateModel": "_xdm.context.profile"}
        body.pop("mergePolicyId", None)
    if isinstance(body.get("segments"), list) and "id" not in body:
        body = {**body, "segments": [{"segmentId": "*"}]}
    if isinstance(body.get("schedule"), str):
        body = {**body, "schedule": "0 0 1 * * ?", "properties": {"segments": ["*"]}}
    return body
