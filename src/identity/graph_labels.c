/* graph_labels.c -- the datasets and batches that links were seen in.
 *
 * Millions of links share a few sets of datasets, so a link holds the number of a set. Batches come
 * and go: their ids are counted, and freed with the last link that names them.
 */
#include "identity/graph_int.h"

#include <stdlib.h>

void mu_graph_labels_init(mu_graph_labels *labels)
{
    *labels = (mu_graph_labels){0};
    mu_strmap_init(&labels->dataset_places);
    labels->sets = mu_graph_grow(NULL, 0, &labels->sets_capacity, sizeof *labels->sets);
    labels->sets[labels->n_sets++] = (mu_graph_set){0};
    labels->batches = mu_graph_grow(NULL, 0, &labels->batches_capacity, sizeof *labels->batches);
    labels->batches[labels->n_batches++] = (mu_graph_batches){0};
}

void mu_graph_labels_free(mu_graph_labels *labels)
{
    mu_strmap_free(&labels->dataset_places);
    for (uint32_t i = 0; i < labels->n_datasets; i++)
        free((char *)labels->datasets[i].ptr);
    free(labels->datasets);
    for (uint32_t i = 0; i < labels->n_sets; i++)
        free(labels->sets[i].datasets);
    free(labels->sets);
    mu_graph_index_free(&labels->set_index);
    for (uint32_t i = 0; i < labels->n_labels; i++)
        free(labels->labels[i].text);
    free(labels->labels);
    mu_graph_index_free(&labels->label_index);
    free(labels->batches);
}

static char *copy_text(mu_str text)
{
    char *copy = mu_graph_resize(NULL, text.len, 1);
    memcpy(copy, text.ptr, text.len);
    return copy;
}

uint32_t mu_graph_dataset(mu_graph_labels *labels, mu_str id)
{
    if (id.len == 0)
        return MU_NO_LABEL;
    const uint64_t *known = mu_strmap_get(&labels->dataset_places, id);
    if (known != NULL)
        return (uint32_t)*known;
    labels->datasets = mu_graph_grow(labels->datasets, labels->n_datasets,
                                     &labels->datasets_capacity, sizeof *labels->datasets);
    uint32_t dataset = labels->n_datasets++;
    labels->datasets[dataset] = (mu_str){copy_text(id), id.len};
    *mu_strmap_put(&labels->dataset_places, labels->datasets[dataset], NULL) = dataset;
    return dataset;
}

static uint32_t intern_set(mu_graph_labels *labels, uint32_t n, uint32_t *datasets)
{
    size_t size = n * sizeof *datasets;
    uint32_t tag = (uint32_t)mu_hash64(datasets, size, 0);
    mu_graph_cursor cursor = mu_graph_index_find(tag);
    for (uint32_t set; (set = mu_graph_index_next(&labels->set_index, &cursor)) != UINT32_MAX;)
        if (labels->sets[set].n == n && memcmp(labels->sets[set].datasets, datasets, size) == 0) {
            free(datasets);
            return set;
        }
    labels->sets =
        mu_graph_grow(labels->sets, labels->n_sets, &labels->sets_capacity, sizeof *labels->sets);
    labels->sets[labels->n_sets] = (mu_graph_set){n, datasets};
    mu_graph_index_add(&labels->set_index, tag, labels->n_sets);
    return labels->n_sets++;
}

uint32_t mu_graph_set_with(mu_graph_labels *labels, uint32_t set, uint32_t dataset)
{
    if (dataset == MU_NO_LABEL)
        return set;
    const mu_graph_set *old = &labels->sets[set];
    for (uint32_t i = 0; i < old->n; i++)
        if (old->datasets[i] == dataset)
            return set;
    uint32_t *datasets = mu_graph_resize(NULL, (size_t)old->n + 1, sizeof *datasets);
    uint32_t at = 0;
    while (at < old->n &&
           mu_str_compare(labels->datasets[old->datasets[at]], labels->datasets[dataset]) < 0) {
        datasets[at] = old->datasets[at];
        at++;
    }
    datasets[at] = dataset;
    for (uint32_t i = at; i < old->n; i++)
        datasets[i + 1] = old->datasets[i];
    return intern_set(labels, old->n + 1, datasets);
}

uint32_t mu_graph_label_hold(mu_graph_labels *labels, mu_str id)
{
    if (id.len == 0)
        return MU_NO_LABEL;
    uint32_t tag = (uint32_t)mu_hash64(id.ptr, id.len, 0);
    mu_graph_cursor cursor = mu_graph_index_find(tag);
    for (uint32_t at; (at = mu_graph_index_next(&labels->label_index, &cursor)) != UINT32_MAX;) {
        mu_graph_label *label = &labels->labels[at];
        if (mu_str_equal((mu_str){label->text, label->len}, id)) {
            label->uses++;
            return at;
        }
    }
    uint32_t place = labels->free_label;
    if (place != 0) {
        place--;
        labels->free_label = labels->labels[place].uses;
    } else {
        labels->labels = mu_graph_grow(labels->labels, labels->n_labels, &labels->labels_capacity,
                                       sizeof *labels->labels);
        place = labels->n_labels++;
    }
    labels->labels[place] = (mu_graph_label){copy_text(id), id.len, tag, 1};
    mu_graph_index_add(&labels->label_index, tag, place);
    return place;
}

void mu_graph_label_release(mu_graph_labels *labels, uint32_t label)
{
    if (label == MU_NO_LABEL || --labels->labels[label].uses > 0)
        return;
    mu_graph_index_remove(&labels->label_index, labels->labels[label].tag, label);
    free(labels->labels[label].text);
    labels->labels[label] = (mu_graph_label){.uses = labels->free_label};
    labels->free_label = label + 1;
}

static uint32_t new_batches(mu_graph_labels *labels)
{
    uint32_t batches = labels->free_batches;
    if (batches != 0) {
        labels->free_batches = labels->batches[batches].labels[0];
    } else {
        labels->batches = mu_graph_grow(labels->batches, labels->n_batches,
                                        &labels->batches_capacity, sizeof *labels->batches);
        batches = labels->n_batches++;
    }
    labels->batches[batches].n = 0;
    return batches;
}

bool mu_graph_batches_push(mu_graph_labels *labels, uint32_t *batches, uint32_t label)
{
    if (label == MU_NO_LABEL)
        return false;
    if (*batches == 0)
        *batches = new_batches(labels);
    mu_graph_batches *list = &labels->batches[*batches];
    uint32_t at = 0;
    while (at < list->n && list->labels[at] != label)
        at++;
    if (at == 0 && list->n > 0)
        return false;
    if (at == list->n) {
        labels->labels[label].uses++;
        if (list->n < MU_LINK_BATCHES_MAX)
            list->n++;
        else
            mu_graph_label_release(labels, list->labels[--at]);
    }
    memmove(list->labels + 1, list->labels, at * sizeof list->labels[0]);
    list->labels[0] = label;
    return true;
}

void mu_graph_batches_release(mu_graph_labels *labels, uint32_t batches)
{
    if (batches == 0)
        return;
    mu_graph_batches *list = &labels->batches[batches];
    for (uint32_t i = 0; i < list->n; i++)
        mu_graph_label_release(labels, list->labels[i]);
    list->n = 0;
    list->labels[0] = labels->free_batches;
    labels->free_batches = batches;
}
