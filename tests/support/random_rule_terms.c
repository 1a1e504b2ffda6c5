#include "tests/support/notation.h"
#include "tests/support/random_rule_int.h"

#include "base/number.h"
#include "base/time.h"

#define NO_TERM ((term){{NULL, 0}, NULL})

static bool is_wanted(const mu_type *type, unsigned kinds, unsigned items)
{
    if ((KIND(type->kind) & kinds) == 0)
        return false;
    return type->kind != MU_TYPE_LIST || (KIND(type->item->kind) & items) != 0;
}

mu_str rule_new_name(rule_maker *maker, const char *prefix)
{
    return TEXT(maker, "%s%u", prefix, maker->n_names++);
}

bool rule_may_use_events(rule_maker *maker)
{
    if (maker->event_depth == 0)
        return true;
    return maker->event_depth == 1 && !maker->options->is_cheap && maker->n_nested_events++ == 0;
}

bool rule_is_of_events(term list)
{
    return mu_str_find(list.text, MU_STR("xEvent")) != SIZE_MAX;
}

/* -------- paths -------- */

static bool is_plain_name(mu_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_digit = c >= '0' && c <= '9';
        if (!(c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (is_digit && i > 0)))
            return false;
    }
    return name.len > 0;
}

static mu_str with_field(rule_maker *maker, mu_str path, mu_str name)
{
    const char *quote = is_plain_name(name) && !chance(maker, 2) ? "" : "`";
    bool needs_dot = path.len > 0 && path.ptr[path.len - 1] != '^';
    return TEXT(maker, S "%s%s" S "%s", A(path), needs_dot ? "." : "", quote, A(name), quote);
}

/* The type of field `name` of `type`, with the projection of D20 over lists. */
static const mu_type *projected(rule_maker *maker, const mu_type *list, const mu_type *field)
{
    if (list->kind != MU_TYPE_LIST)
        return field;
    return mu_type_new_list(maker->arena, field->kind == MU_TYPE_LIST ? field->item : field);
}

static term step_into_map(rule_maker *maker, term at, const mu_type *map)
{
    const char *key = ONE_OF(maker, "Email", "red", "ECID", "ups", "two words");
    const mu_type *type = projected(maker, at.type, map->item);
    if (strcmp(key, "two words") != 0 && (at.type->kind == MU_TYPE_LIST || chance(maker, 50)))
        return (term){with_field(maker, at.text, mu_str_from(key)), type};
    if (at.type->kind == MU_TYPE_LIST)
        return (term){with_field(maker, at.text, mu_str_from("red")), type};
    return (term){TEXT(maker, S ".get(\"%s\")", A(at.text), key), type};
}

/* One step along a path; NO_TERM at a dead end. */
static term step(rule_maker *maker, term at)
{
    const mu_type *inner = at.type->kind == MU_TYPE_LIST ? at.type->item : at.type;
    if (at.type->kind == MU_TYPE_LIST && at.text.len > 0 && chance(maker, 15))
        return (term){TEXT(maker, S ".head()", A(at.text)), inner};
    if (inner->kind == MU_TYPE_MAP && at.text.len > 0) {
        if (at.type->kind == MU_TYPE_MAP && chance(maker, 25))
            return (term){TEXT(maker, S ".values()", A(at.text)),
                          mu_type_new_list(maker->arena, inner->item)};
        return step_into_map(maker, at, inner);
    }
    if (inner->kind == MU_TYPE_STRING && inner->target_class.len > 0) {
        const mu_lookup_class *class =
            mu_schema_lookup_class(maker->options->schema, inner->target_class);
        if (class == NULL || at.text.len == 0)
            return NO_TERM;
        inner = class->type;
    }
    if (inner->kind != MU_TYPE_OBJECT || inner->n_fields == 0)
        return NO_TERM;
    uint32_t field = pick(maker, inner->n_fields);
    if (mu_str_equal(inner->field_names[field], MU_STR("xEvent")) && !rule_may_use_events(maker))
        return NO_TERM;
    return (term){with_field(maker, at.text, inner->field_names[field]),
                  projected(maker, at.type, inner->field_types[field])};
}

/* Where a path starts: the item in scope, an outer one, the profile, a variable. */
static term path_start(rule_maker *maker)
{
    uint32_t innermost = maker->n_scopes - 1;
    uint32_t choice = pick(maker, 100);
    if (maker->n_variables > 0 && choice < 35) {
        variable found =
            maker->variables[maker->n_variables - 1 -
                             (chance(maker, 60) ? 0 : pick(maker, maker->n_variables))];
        if (found.type->kind != MU_TYPE_LIST || rule_may_use_events(maker))
            return (term){found.name, found.type};
    }
    if (innermost > 0 && choice < 45) {
        uint32_t up = 1 + pick(maker, innermost);
        const char *carets = &"^^^^^^"[6 - up];
        return (term){TEXT(maker, "%s", carets), maker->scopes[innermost - up]};
    }
    if (choice < 50)
        return (term){MU_STR("$1"), maker->scopes[0]};
    if (choice < 53 && innermost > 0 && rule_may_use_events(maker))
        return (term){MU_STR("xEvent"),
                      mu_type_new_list(maker->arena, maker->options->schema->event)};
    const mu_type *scope = maker->scopes[innermost];
    return (term){scope->kind == MU_TYPE_OBJECT ? MU_STR("") : MU_STR("this"), scope};
}

term rule_path(rule_maker *maker, unsigned kinds, unsigned items)
{
    for (int try = 0; try < 30; try++) {
        term at = path_start(maker);
        for (int steps = 0; steps < 6 && at.text.ptr != NULL; steps++) {
            bool is_whole = at.text.len > 0 && at.text.ptr[at.text.len - 1] != '^';
            /* All of a profile, events and all, compares with another in the square of them. */
            bool is_profile = at.type == maker->scopes[0];
            is_whole &= !is_profile || (maker->n_scopes == 1 && !maker->options->is_cheap);
            if (is_whole && is_wanted(at.type, kinds, items) && chance(maker, 70))
                return at;
            at = step(maker, at);
        }
    }
    return NO_TERM;
}

/* -------- literals -------- */

mu_str rule_string_literal(rule_maker *maker, mu_str value)
{
    mu_buf buf;
    mu_buf_init(&buf, 1 << 16);
    MU_BUF_ADD(&buf, "\"");
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (c == '"' || c == '\\')
            mu_buf_add_format(&buf, "\\%c", c);
        else if (c < 0x20)
            mu_buf_add_format(&buf, "\\u%04x", c);
        else
            mu_buf_add_char(&buf, (char)c);
    }
    MU_BUF_ADD(&buf, "\"");
    mu_str text = mu_arena_copy(maker->arena, mu_buf_str(&buf));
    mu_buf_free(&buf);
    return text;
}

static mu_str double_literal(rule_maker *maker)
{
    double value = mu_random_double(maker->dice, 10);
    char digits[MU_NUMBER_MAX];
    size_t len = mu_format_double(value, digits);
    mu_str text = mu_arena_copy(maker->arena, (mu_str){digits, len});
    return text.ptr[0] == '-' ? TEXT(maker, "(" S ")", A(text)) : text;
}

static mu_str date_literal(rule_maker *maker)
{
    mu_civil day = mu_civil_from_ms(mu_random_time(maker->dice, maker->options->now_ms));
    return TEXT(maker, "date(%d, %d, %d)", (int)day.year, day.month, day.day);
}

/* Instants have no literal: an offset from a day, or a word. */
static mu_str timestamp_literal(rule_maker *maker)
{
    if (chance(maker, 50))
        return MU_STR("now");
    if (chance(maker, 50))
        return mu_str_from(ONE_OF(maker, "today", "yesterday", "tomorrow"));
    return date_literal(maker);
}

term rule_literal(rule_maker *maker, mu_type_kind kind)
{
    const mu_type *type = mu_type_of(kind);
    int64_t integer = mu_random_integer(maker->dice, 6);
    switch (kind) {
    case MU_TYPE_BOOLEAN:
        return (term){mu_str_from(ONE_OF(maker, "true", "false")), type};
    case MU_TYPE_INTEGER:
        return (term){integer < 0 ? TEXT(maker, "(%lld)", (long long)integer)
                                  : TEXT(maker, "%lld", (long long)integer),
                      type};
    case MU_TYPE_DOUBLE:
        return (term){double_literal(maker), type};
    case MU_TYPE_STRING:
        return (term){rule_string_literal(maker, mu_random_word(maker->dice)), type};
    case MU_TYPE_DATE:
        return (term){date_literal(maker), type};
    default:
        return (term){timestamp_literal(maker), mu_type_of(MU_TYPE_TIMESTAMP)};
    }
}

static mu_type_kind one_kind(rule_maker *maker, unsigned kinds)
{
    static const mu_type_kind scalars[] = {MU_TYPE_STRING,    MU_TYPE_INTEGER, MU_TYPE_DOUBLE,
                                           MU_TYPE_TIMESTAMP, MU_TYPE_DATE,    MU_TYPE_BOOLEAN};
    uint32_t start = pick(maker, 6);
    for (uint32_t i = 0; i < 6; i++) {
        mu_type_kind kind = scalars[(start + i) % 6];
        if (KIND(kind) & kinds)
            return kind;
    }
    return MU_TYPE_STRING;
}

/* -------- scalar expressions -------- */

static term integer_term(mu_str text)
{
    return (term){text, mu_type_of(MU_TYPE_INTEGER)};
}

static term double_term(mu_str text)
{
    return (term){text, mu_type_of(MU_TYPE_DOUBLE)};
}

static term string_term(mu_str text)
{
    return (term){text, mu_type_of(MU_TYPE_STRING)};
}

static term from_list(rule_maker *maker, unsigned kinds, unsigned depth)
{
    term list = rule_list(maker, kinds & K_SCALAR, depth);
    const char *function = ONE_OF(maker, "head", "min", "max");
    bool ordered = (KIND(list.type->item->kind) & (K_NUMBER | K_STRING | K_TIME)) != 0;
    if (!ordered)
        function = "head";
    return (term){TEXT(maker, S ".%s()", A(list.text), function), list.type->item};
}

static term aggregate(rule_maker *maker, unsigned depth)
{
    rule_mark mark = rule_enter(maker);
    const char *function = ONE_OF(maker, "sum", "min", "max", "average", "count");
    mu_str declarations = rule_declarations(maker, depth);
    term body = rule_scalar(maker, K_NUMBER, depth);
    rule_leave(maker, mark);
    bool needs_parentheses = body.text.ptr[0] == '(' || chance(maker, 50);
    return double_term(TEXT(maker, "(%s %s" S "%s over " S ")", function,
                            needs_parentheses ? "(" : "", A(body.text),
                            needs_parentheses ? ")" : "", A(declarations)));
}

static term reduction(rule_maker *maker, unsigned depth)
{
    if (depth > 0 && chance(maker, 12))
        return aggregate(maker, depth - 1);
    unsigned inner = depth > 0 ? depth - 1 : 0;
    if (chance(maker, 35)) {
        term objects = rule_objects(maker, inner);
        term key = rule_per_item(maker, objects, K_NUMBER, inner, true);
        const char *function = ONE_OF(maker, "sum", "average", "min", "max");
        return double_term(TEXT(maker, S ".%s(" S ")", A(objects.text), function, A(key.text)));
    }
    term list = rule_list(maker, K_SCALAR | K_OBJECT, inner);
    unsigned item = KIND(list.type->item->kind);
    if ((item & K_NUMBER) && chance(maker, 60))
        return double_term(TEXT(maker, S ".%s()", A(list.text), ONE_OF(maker, "sum", "average")));
    switch (pick(maker, 8)) {
    case 0:
        return integer_term(TEXT(maker, S ".distinct().count()", A(list.text)));
    case 1: {
        term key = rule_per_item(maker, list, K_SCALAR, 0, true);
        if (key.text.len % 4 != 0) /* the largest or smallest group */
            return integer_term(
                TEXT(maker, S ".groupBy(" S ").map((K, G) => mapEntry(K, G.count())).values().%s()",
                     A(list.text), A(key.text), key.text.len % 4 == 1 ? "max" : "min"));
        return integer_term(TEXT(maker, S ".groupBy(" S ").count()", A(list.text), A(key.text)));
    }
    case 2:
        return integer_term(
            TEXT(maker, S ".%s()", A(list.text),
                 ONE_OF(maker, "countOnlyNull", "countWithNull", "distinctCountWithNull")));
    case 3:
        return integer_term(TEXT(maker, "count(" S ")", A(list.text)));
    default:
        return integer_term(TEXT(maker, S ".count()", A(list.text)));
    }
}

static term arithmetic(rule_maker *maker, unsigned depth)
{
    if (chance(maker, 10)) {
        term operand = rule_scalar(maker, K_NUMBER, depth);
        return (term){TEXT(maker, "(-" S ")", A(operand.text)), operand.type};
    }
    term left = rule_scalar(maker, K_NUMBER, depth), right = rule_scalar(maker, K_NUMBER, depth);
    const char *operator= ONE_OF(maker, "+", "-", "*", "/", "%");
    if (chance(maker, 4))
        right = integer_term(MU_STR("0"));
    return double_term(TEXT(maker, "(" S " %s " S ")", A(left.text), operator, A(right.text)));
}

static term number_of_time(rule_maker *maker, unsigned depth)
{
    term time = rule_scalar(maker, K_TIME, depth);
    if (chance(maker, 65))
        return integer_term(
            TEXT(maker, S ".%s()", A(time.text),
                 ONE_OF(maker, "getMonth", "getYear", "getDayOfMonth", "age", "ageInDays",
                        "ageInMonths", "dayOfWeek", "dayOfMonth", "dayOfYear", "weekOfYear",
                        "extractHours", "extractMinutes", "extractMonth", "extractSeconds")));
    if (chance(maker, 40))
        return integer_term(
            mu_str_from(ONE_OF(maker, "currentMonth()", "currentYear()", "currentDayOfMonth()")));
    term other = rule_scalar(maker, K_TIME, 0);
    return integer_term(TEXT(maker, S ".%s(" S ")", A(time.text),
                             ONE_OF(maker, "dateDiff", "diffInSeconds", "compareDates"),
                             A(other.text)));
}

static term number_of_string(rule_maker *maker, unsigned depth)
{
    term text = rule_scalar(maker, K_STRING, depth);
    term other = rule_literal(maker, MU_TYPE_STRING);
    switch (pick(maker, 7)) {
    case 0:
        return integer_term(TEXT(maker, S ".%s(" S ")", A(text.text),
                                 ONE_OF(maker, "indexOf", "lastIndexOf", "compareTo"),
                                 A(other.text)));
    case 1:
        return integer_term(TEXT(maker, S ".charCodeAt(%u)", A(text.text), pick(maker, 4)));
    case 2:
        return double_term(TEXT(maker, S ".%s()", A(text.text),
                                ONE_OF(maker, "stringToInteger", "stringToNumber", "toInt")));
    default:
        return integer_term(TEXT(maker, S ".length()", A(text.text)));
    }
}

static term unary_number(rule_maker *maker, unsigned depth)
{
    term operand = rule_scalar(maker, K_NUMBER, depth);
    if (chance(maker, 10))
        return double_term(TEXT(maker, S ".toPrecision(%u)", A(operand.text), pick(maker, 5)));
    return double_term(TEXT(maker, "%s(" S ")",
                            ONE_OF(maker, "square", "abs", "floor", "ceil", "round", "roundDown",
                                   "roundUp", "toPercentage"),
                            A(operand.text)));
}

static term number(rule_maker *maker, unsigned depth)
{
    switch (pick(maker, 12)) {
    case 0:
    case 1:
    case 2:
        return arithmetic(maker, depth);
    case 3:
    case 4:
    case 5:
        return reduction(maker, depth);
    case 6:
        return number_of_time(maker, depth);
    case 7:
        return number_of_string(maker, depth);
    case 8:
        return unary_number(maker, depth);
    case 9:
        return from_list(maker, K_NUMBER, depth);
    case 10: {
        mu_str condition = rule_condition(maker, depth);
        term yes = rule_scalar(maker, K_NUMBER, depth), no = rule_scalar(maker, K_NUMBER, depth);
        return double_term(
            TEXT(maker, "if(" S ", " S ", " S ")", A(condition), A(yes.text), A(no.text)));
    }
    default:
        return rule_literal(maker, MU_TYPE_INTEGER);
    }
}

static term string_of_string(rule_maker *maker, unsigned depth)
{
    term text = rule_scalar(maker, K_STRING, depth);
    term other = rule_literal(maker, MU_TYPE_STRING);
    switch (pick(maker, 9)) {
    case 0:
        return string_term(TEXT(maker, S ".substr(%u%s)", A(text.text), pick(maker, 4),
                                ONE_OF(maker, "", ", 3", ", 0", ", 100")));
    case 1:
        return string_term(TEXT(maker, S ".%s(" S ", \"-\")", A(text.text),
                                ONE_OF(maker, "replace", "replaceAll"), A(other.text)));
    case 2:
        return string_term(TEXT(maker, "concat(" S ", " S ")", A(text.text), A(other.text)));
    case 3:
        return string_term(TEXT(maker, S ".regexGroup(\"%s\"%s)", A(text.text),
                                ONE_OF(maker, "@(\\\\w+)", "(a)(b)?", "[a-z]+", "(?i)^(r.)"),
                                ONE_OF(maker, "", ", 1", ", 0")));
    case 4:
        return string_term(TEXT(maker, S ".mask(%u, 1)", A(text.text), pick(maker, 3)));
    default:
        return string_term(
            TEXT(maker, S ".%s()", A(text.text),
                 ONE_OF(maker, "lowerCase", "upperCase", "titleCase", "camelCase", "leftTrim",
                        "rightTrim", "trim", "md5", "encode64", "decode64", "extractEmailDomain",
                        "getUrlHost", "getUrlPath", "getUrlProtocol", "getUrlFragment")));
    }
}

static term string(rule_maker *maker, unsigned depth)
{
    switch (pick(maker, 6)) {
    case 0:
    case 1:
        return string_of_string(maker, depth);
    case 2:
        return from_list(maker, K_STRING, depth);
    case 3: {
        mu_str condition = rule_condition(maker, depth);
        term yes = rule_scalar(maker, K_STRING, 0), no = rule_literal(maker, MU_TYPE_STRING);
        return string_term(
            TEXT(maker, "if(" S ", " S ", " S ")", A(condition), A(yes.text), A(no.text)));
    }
    case 4: {
        term list = rule_list(maker, K_STRING, depth);
        return string_term(TEXT(maker, S ".join(\",\")", A(list.text)));
    }
    default: {
        term value = rule_scalar(maker, K_SCALAR, depth);
        return string_term(TEXT(maker, S ".toString()", A(value.text)));
    }
    }
}

static term moment(rule_maker *maker, unsigned depth)
{
    term time = rule_path(maker, K_TIME, 0);
    if (time.text.ptr == NULL || chance(maker, 10))
        time = rule_literal(maker, MU_TYPE_TIMESTAMP);
    switch (pick(maker, 5)) {
    case 0:
        return (term){TEXT(maker, S ".%s(%lld)", A(time.text),
                           ONE_OF(maker, "addDays", "addHours", "addMinutes", "addMonths",
                                  "addSeconds", "addYears"),
                           (long long)mu_dice_between(maker->dice, 0, 40)),
                      mu_type_of(MU_TYPE_TIMESTAMP)};
    case 1:
        return from_list(maker, K_TIME, depth);
    case 2: {
        term text = rule_scalar(maker, K_STRING, depth);
        return (term){
            TEXT(maker, S ".%s()", A(text.text), ONE_OF(maker, "toDateTime", "stringToDate")),
            mu_type_of(MU_TYPE_TIMESTAMP)};
    }
    default:
        return time;
    }
}

term rule_scalar(rule_maker *maker, unsigned kinds, unsigned depth)
{
    if (depth > 0 && chance(maker, 40)) {
        mu_type_kind kind = one_kind(maker, kinds);
        if (KIND(kind) & K_NUMBER)
            return number(maker, depth - 1);
        if (kind == MU_TYPE_STRING)
            return string(maker, depth - 1);
        if (KIND(kind) & K_TIME)
            return moment(maker, depth - 1);
        return (term){TEXT(maker, "(" S ")", A(rule_condition(maker, depth - 1))),
                      mu_type_of(MU_TYPE_BOOLEAN)};
    }
    term path = chance(maker, 88) ? rule_path(maker, kinds & K_SCALAR, 0) : NO_TERM;
    return path.text.ptr != NULL ? path : rule_literal(maker, one_kind(maker, kinds));
}

/* -------- list expressions -------- */

static term array_literal(rule_maker *maker, unsigned items)
{
    mu_type_kind kind = one_kind(maker, items);
    uint32_t n = mu_dice_geometric(maker->dice, 3, 6);
    mu_str text = MU_STR("[");
    for (uint32_t i = 0; i < n; i++) {
        term item = chance(maker, 90) ? rule_literal(maker, kind)
                                      : (term){MU_STR("null"), mu_type_of(MU_TYPE_NULL)};
        text = TEXT(maker, S "%s" S, A(text), i == 0 ? "" : ", ", A(item.text));
    }
    return (term){TEXT(maker, S "]", A(text)), mu_type_new_list(maker->arena, mu_type_of(kind))};
}

static term select_list(rule_maker *maker, unsigned depth)
{
    rule_mark mark = rule_enter(maker);
    mu_str declarations = rule_declarations(maker, depth);
    const mu_type *type = maker->variables[mark.n_variables].type;
    rule_leave(maker, mark);
    return (term){TEXT(maker, "(select " S ")", A(declarations)),
                  mu_type_new_list(maker->arena, type)};
}

static term grouped(rule_maker *maker, term list, unsigned depth)
{
    term key = rule_per_item(maker, list, K_SCALAR, depth, true);
    const mu_type *integers = mu_type_new_list(maker->arena, mu_type_of(MU_TYPE_INTEGER));
    const mu_type *keys = mu_type_new_list(maker->arena, mu_type_of(MU_TYPE_STRING));
    mu_str group = TEXT(maker, S ".groupBy(" S ")", A(list.text), A(key.text));
    switch (pick(maker, 4)) {
    case 0:
        return (term){TEXT(maker, S ".map((K, G) => mapEntry(K, G.count())).values()", A(group)),
                      integers};
    case 1:
        return (term){TEXT(maker, S ".map(count())", A(group)), integers};
    case 2:
        return (term){TEXT(maker, S ".map((G) => G.count())", A(group)), integers};
    default:
        return (term){TEXT(maker, S ".keys()", A(group)), keys};
    }
}

/* One more step over a list of anything. */
static term derived(rule_maker *maker, term list, unsigned depth)
{
    switch (pick(maker, 7)) {
    case 0:
    case 1: {
        term condition = rule_per_item(maker, list, 0, depth, false);
        return (term){TEXT(maker, S "[" S "]", A(list.text), A(condition.text)), list.type};
    }
    case 2: {
        term condition = rule_per_item(maker, list, 0, depth, true);
        return (term){TEXT(maker, S ".filter(" S ")", A(list.text), A(condition.text)), list.type};
    }
    case 3:
        return (term){TEXT(maker, S ".distinct()", A(list.text)), list.type};
    case 4:
    case 5: {
        term key = rule_per_item(maker, list, K_NUMBER | K_STRING | K_TIME, depth, true);
        return (term){TEXT(maker, S ".%s(" S ", %u)", A(list.text),
                           ONE_OF(maker, "topN", "bottomN"), A(key.text), pick(maker, 5)),
                      list.type};
    }
    default: {
        term value = rule_per_item(maker, list, K_SCALAR, depth, true);
        return (term){TEXT(maker, S ".map(" S ")", A(list.text), A(value.text)),
                      mu_type_new_list(maker->arena, value.type)};
    }
    }
}

static term any_list(rule_maker *maker, unsigned items, unsigned depth)
{
    if (depth > 0 && chance(maker, 12))
        return select_list(maker, depth - 1);
    term path = rule_path(maker, K_LIST, items == 0 ? K_ANYTHING : items);
    if (path.text.ptr == NULL || chance(maker, 8))
        path = array_literal(maker, items);
    return path;
}

term rule_list(rule_maker *maker, unsigned items, unsigned depth)
{
    for (int try = 0; try < 4; try++) {
        term list = any_list(maker, items | (chance(maker, 20) ? K_OBJECT : 0), depth);
        for (unsigned level = depth; level > 0 && chance(maker, 35); level--)
            list = chance(maker, 10) ? grouped(maker, list, level - 1)
                                     : derived(maker, list, level - 1);
        if (chance(maker, 5)) {
            term other = array_literal(maker, items);
            list.text = TEXT(maker, S ".intersection(" S ")", A(list.text), A(other.text));
        }
        if (KIND(list.type->item->kind) & items)
            return list;
    }
    return array_literal(maker, items);
}

term rule_objects(rule_maker *maker, unsigned depth)
{
    bool is_nested = maker->n_scopes > 1;
    term list = {MU_STR("xEvent"), mu_type_new_list(maker->arena, maker->options->schema->event)};
    bool wants_events = chance(maker, is_nested ? 5 : 65);
    if (!wants_events || !rule_may_use_events(maker)) {
        term path = rule_path(maker, K_LIST, K_OBJECT);
        if (path.text.ptr != NULL)
            list = path;
        else if (!rule_may_use_events(maker))
            return (term){MU_STR("[]"), list.type};
    }
    if (!chance(maker, 60))
        return list;
    term condition = rule_per_item(maker, list, 0, depth, false);
    list.text = TEXT(maker, S "[" S "]", A(list.text), A(condition.text));
    return list;
}

term rule_per_item(rule_maker *maker, term list, unsigned kinds, unsigned depth, bool may_be_lambda)
{
    if (maker->n_scopes == SCOPES_MAX)
        return kinds == 0 ? (term){MU_STR("true"), mu_type_of(MU_TYPE_BOOLEAN)}
                          : rule_literal(maker, one_kind(maker, kinds));
    uint32_t outer = maker->n_variables;
    mu_str arrow = MU_STR("");
    const mu_type *item = list.type->item;
    bool is_of_events = rule_is_of_events(list);
    maker->event_depth += is_of_events;
    maker->scopes[maker->n_scopes++] = item;
    if (may_be_lambda && chance(maker, 12) && outer < VARIABLES_MAX) {
        mu_str name = rule_new_name(maker, "i");
        maker->variables[maker->n_variables++] = (variable){name, item};
        arrow = TEXT(maker, chance(maker, 50) ? "(" S ") => " : S " => ", A(name));
    }
    term body;
    if (kinds == 0)
        body = (term){rule_condition(maker, depth), mu_type_of(MU_TYPE_BOOLEAN)};
    else
        body = rule_scalar(maker, kinds, depth);
    maker->n_scopes--;
    maker->event_depth -= is_of_events;
    maker->n_variables = outer;
    body.text = TEXT(maker, S S, A(arrow), A(body.text));
    return body;
}

/* -------- declarations -------- */

static term declared_list(rule_maker *maker, unsigned depth, uint32_t n_before)
{
    if (n_before == 0 && maker->n_scopes == 1 && chance(maker, 70))
        return rule_objects(maker, 0);
    if (n_before > 0 && chance(maker, 70)) {
        /* A list inside the item of the variable before. */
        variable before = maker->variables[maker->n_variables - 1];
        term at = {before.name, before.type};
        for (int steps = 0; steps < 4 && at.text.ptr != NULL; steps++) {
            at = step(maker, at);
            if (at.text.ptr != NULL && at.type->kind == MU_TYPE_LIST)
                return at;
        }
    }
    return rule_list(maker, K_SCALAR | K_OBJECT, depth > 0 ? depth - 1 : 0);
}

mu_str rule_declarations(rule_maker *maker, unsigned depth)
{
    uint32_t n = chance(maker, 30) ? 2 : 1, made = 0;
    mu_str text = MU_STR("");
    while (made < n && maker->n_variables < VARIABLES_MAX) {
        term list = declared_list(maker, depth, made);
        mu_str name = rule_new_name(maker, "v");
        maker->variables[maker->n_variables++] = (variable){name, list.type->item};
        text =
            TEXT(maker, S "%s" S " from " S, A(text), made == 0 ? "" : ", ", A(name), A(list.text));
        if (chance(maker, 80))
            text = TEXT(maker, S "%s" S, A(text), ONE_OF(maker, " where ", " : "),
                        A(rule_condition(maker, depth > 0 ? depth - 1 : 0)));
        made++;
    }
    MU_ASSERT(made > 0);
    return text;
}
