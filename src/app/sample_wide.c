/* sample_wide.c -- what wide data need beside profiles and events: the records they refer to, and
 * the schema that says so. */
#include "app/sample_int.h"
#include "base/file.h"

#include <stdio.h>

static const char schema[] =
    "{\"classes\": [\n"
    " {\"class\": \"profile\",\n"
    "  \"fields\": {\"_luma.preferences.storeId\": \"string\",\n"
    "             \"_luma.preferences.categories[]\": \"string\",\n"
    "             \"_luma.affinities{}\": \"double\",\n"
    "             \"_luma.rfm.frequency\": \"integer\",\n"
    "             \"_luma.rfm.monetary\": \"double\"},\n"
    "  \"relationships\": [{\"path\": \"_luma.preferences.storeId\", \"to\": \"stores\"}]},\n"
    " {\"class\": \"event\",\n"
    "  \"fields\": {\"_luma.channel\": \"string\",\n"
    "             \"productListItems[].SKU\": \"string\",\n"
    "             \"productListItems[].quantity\": \"integer\",\n"
    "             \"productListItems[].priceTotal\": \"double\"},\n"
    "  \"relationships\": [{\"path\": \"productListItems.SKU\", \"to\": \"products\"}]},\n"
    " {\"class\": \"stores\", \"key\": \"storeId\",\n"
    "  \"fields\": {\"storeId\": \"string\", \"name\": \"string\", \"address.city\": \"string\",\n"
    "             \"address.countryCode\": \"string\"}},\n"
    " {\"class\": \"products\", \"key\": \"SKU\",\n"
    "  \"fields\": {\"SKU\": \"string\", \"name\": \"string\", \"category\": \"string\",\n"
    "             \"path\": \"string\", \"price\": \"double\"}}\n"
    "]}\n";

static mu_code write_file(const char *folder, const char *name, const mu_buf *buf, mu_err *err)
{
    char path[4096];
    if (buf->failed)
        return mu_fail(err, MU_E_NOMEM, "there is not enough memory to make the sample data");
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = length > 0 && (size_t)length < sizeof path ? fopen(path, "we") : NULL;
    if (file == NULL)
        return mu_fail_errno(err, "cannot write %s", path);
    bool ok = fwrite(buf->ptr, 1, buf->len, file) == buf->len;
    ok = fclose(file) == 0 && ok;
    return ok ? MU_OK : mu_fail_errno(err, "cannot write %s", path);
}

mu_code mu_sample_wide_write(const char *folder, mu_err *err)
{
    mu_buf buf;
    mu_buf_init(&buf, (size_t)1 << 20);
    mu_sample_stores_write(&buf);
    mu_code code = write_file(folder, "stores.csv", &buf, err);
    mu_buf_clear(&buf);
    mu_sample_products_write(&buf);
    if (code == MU_OK)
        code = write_file(folder, "products.csv", &buf, err);
    mu_buf_clear(&buf);
    mu_buf_add_str(&buf, mu_str_from(schema));
    if (code == MU_OK)
        code = write_file(folder, "schema.json", &buf, err);
    mu_buf_free(&buf);
    return code;
}
