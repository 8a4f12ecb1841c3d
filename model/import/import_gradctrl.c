/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "direction_set.h"

#define PARAMETERS "model_params.pkl"

enum {
    GRADCTRL_RANGE = 10, /* steps */
    GRADCTRL_SAFE = 9,   /* of the published example */
    PUBLISHED_W_DIM = 512,
    MAX_HIDDEN = 1024,
    N_PUBLISHED = 5,
};

static const double RATE = 0.5; /* of the published example */

static const char *const published_attributes[N_PUBLISHED + 1] = {"gender", "smile", "eyeglasses",
                                                                  "age",    "pose",  NULL};

/* The published edits; channels are counted for 512. */
static const struct {
    const char *attribute;
    struct {
        const char *attribute;
        guint channels;
    } excluded[3];
    guint first_row, end_row;
} published_edits[] = {
    {"gender", {{"smile", 250}, {"eyeglasses", 100}, {"age", 100}}, 2, 10},
    {"smile", {{"gender", 200}, {"eyeglasses", 50}, {"age", 100}}, 2, 8},
    {"eyeglasses", {{"gender", 200}, {"smile", 100}, {"age", 250}}, 1, 4},
    {"age", {{"gender", 100}, {"eyeglasses", 300}}, 4, 10},
};

gboolean lk_is_gradctrl(const LkTorchValue *root)
{
    return lk_torch_find(root, "classifiers.0.classifier.0.weight") != NULL;
}

/* ---- its classifiers ---- */

static char *classifier_key(guint classifier, const char *what)
{
    return g_strdup_printf("classifiers.%u.classifier.%s", classifier, what);
}

static const LkTorchTensor *find_classifier_tensor(LkTorchFile *file, guint classifier, const char *what)
{
    g_autofree char *key = classifier_key(classifier, what);

    return lk_torch_tensor(lk_torch_find(lk_torch_root(file), key));
}

/* Adds one of a classifier's tensors, of n_rows x n_columns or (n_rows 0) n_columns. */
static gboolean add_classifier_tensor(LkDirectionBatch *batch, LkTorchFile *file, guint classifier,
                                      const char *what, guint n_rows, guint n_columns, GError **error)
{
    g_autofree char *key = classifier_key(classifier, what);
    const LkTorchValue *value = lk_torch_find(lk_torch_root(file), key);
    const LkTorchTensor *tensor = lk_torch_tensor(value);
    const guint n_dims = n_rows ? 2 : 1;
    float *values;

    if (tensor == NULL)
        return lk_direction_batch_refuse(batch, error, "%s is missing", key);
    if (tensor->n_dims != n_dims || (n_rows && tensor->shape[0] != n_rows) ||
        tensor->shape[n_dims - 1] != n_columns) {
        const guint64 wanted[] = {n_rows ? n_rows : n_columns, n_columns};
        g_autofree char *shape = lk_shape_text(tensor->n_dims, tensor->shape);
        g_autofree char *right = lk_shape_text(n_dims, wanted);
        return lk_direction_batch_refuse(batch, error, "%s is %s, but this model wants %s", key, shape,
                                         right);
    }
    values = lk_direction_batch_read(batch, file, value, key, error);
    if (values == NULL)
        return FALSE;
    lk_direction_batch_add_tensor(batch, lk_classifier_tensor(classifier, what), n_dims, n_rows, n_columns,
                                  values);
    return TRUE;
}

/* hidden: the units of all classifiers, 0 where they are single layers. */
static gboolean add_classifiers(LkDirectionBatch *batch, LkTorchFile *file, guint *n, guint *hidden,
                                GError **error)
{
    const LkTorchTensor *first = find_classifier_tensor(file, 0, "0.weight");
    const guint w_dim = batch->config->w_dim;
    const gboolean deep = find_classifier_tensor(file, 0, "2.weight") != NULL;

    if (first == NULL || first->n_dims != 2 || first->shape[0] < 1 || first->shape[0] > MAX_HIDDEN)
        return lk_direction_batch_refuse(batch, error, "its classifiers are not of the published form");
    *hidden = deep ? (guint)first->shape[0] : 0;
    for (*n = 0; *n < LK_MAX_DIRECTIONS && find_classifier_tensor(file, *n, "0.weight"); ++*n) {
        if (!add_classifier_tensor(batch, file, *n, "0.weight", deep ? *hidden : 1, w_dim, error) ||
            !add_classifier_tensor(batch, file, *n, "0.bias", 0, deep ? *hidden : 1, error))
            return FALSE;
        if (deep && (!add_classifier_tensor(batch, file, *n, "2.weight", 1, *hidden, error) ||
                     !add_classifier_tensor(batch, file, *n, "2.bias", 0, 1, error)))
            return FALSE;
    }
    if (lk_torch_n_items(lk_torch_root(file)) != (guint64)*n * (deep ? 4 : 2))
        return lk_direction_batch_refuse(batch, error,
                                         "it has %u tensors, but its %u classifiers are made of %u",
                                         lk_torch_n_items(lk_torch_root(file)), *n, *n * (deep ? 4 : 2));
    return TRUE;
}

/* ---- their names ---- */

static char **parse_attributes(const LkTorchValue *value)
{
    g_autoptr(GStrvBuilder) names = g_strv_builder_new();

    if (lk_torch_type(value) == LK_TORCH_STRING)
        return g_strsplit(lk_torch_string(value), ",", -1);
    for (guint i = 0; lk_torch_type(value) == LK_TORCH_LIST && i < lk_torch_n_items(value); i++)
        if (lk_torch_string(lk_torch_item(value, i)) != NULL)
            g_strv_builder_add(names, lk_torch_string(lk_torch_item(value, i)));
    return g_strv_builder_end(names);
}

/* What the classifiers recognize, one each. NULL on error; else free with g_strfreev. */
static char **read_attributes(const LkDirectionBatch *batch, guint n, GError **error)
{
    g_autofree char *path = lk_direction_batch_beside(batch, PARAMETERS);
    g_autoptr(LkTorchFile) file = NULL;
    g_auto(GStrv) names = NULL;
    const LkTorchValue *value;

    if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
        if (n == N_PUBLISHED)
            return g_strdupv((char **)published_attributes);
        lk_direction_batch_refuse(batch, error,
                                  "what its %u classifiers recognize is told by %s, which is "
                                  "not beside it",
                                  n, PARAMETERS);
        return NULL;
    }
    file = lk_torch_open(path, error);
    if (file == NULL)
        return NULL;
    value = lk_torch_find(lk_torch_root(file), "attributes");
    if (value != NULL)
        names = parse_attributes(value);
    if (names == NULL || g_strv_length(names) != n) {
        lk_direction_batch_refuse(batch, error, "%s beside it does not name its %u classifiers", PARAMETERS,
                                  n);
        return NULL;
    }
    for (guint i = 0; i < n; i++)
        g_strstrip(names[i]);
    return g_steal_pointer(&names);
}

/* -1 if there is none. */
static int find_attribute(char **attributes, const char *name)
{
    for (int i = 0; name != NULL && attributes[i] != NULL; i++)
        if (g_str_equal(attributes[i], name))
            return i;
    return -1;
}

/* ---- the sliders ---- */

static JsonArray *excluded_array(const LkDirectionBatch *batch, char **attributes, guint edit)
{
    JsonArray *list = json_array_new();

    for (guint j = 0; j < G_N_ELEMENTS(published_edits[edit].excluded); j++) {
        const int classifier = find_attribute(attributes, published_edits[edit].excluded[j].attribute);
        const guint channels = published_edits[edit].excluded[j].channels;
        JsonArray *pair;
        if (classifier < 0)
            continue;
        pair = json_array_new();
        json_array_add_int_element(pair, classifier);
        json_array_add_int_element(pair,
                                   (channels * batch->config->w_dim + PUBLISHED_W_DIM / 2) / PUBLISHED_W_DIM);
        json_array_add_array_element(list, pair);
    }
    return list;
}

static void add_gradctrl_slider(LkDirectionBatch *batch, char **attributes, guint edit, guint hidden)
{
    const int classifier = find_attribute(attributes, published_edits[edit].attribute);
    const LkDirectionEntry entry = {
        .kind = LK_DIRECTION_GRADCTRL,
        .prefix = "gradctrl",
        .name = published_edits[edit].attribute,
        .group = "gradctrl",
        .first_row = published_edits[edit].first_row,
        .end_row = MIN(published_edits[edit].end_row, batch->config->num_ws),
        .minimum = -GRADCTRL_RANGE,
        .maximum = GRADCTRL_RANGE,
        .safe_minimum = -GRADCTRL_SAFE,
        .safe_maximum = GRADCTRL_SAFE,
        .step = 0.1,
    };
    JsonObject *object;

    if (classifier < 0 || entry.first_row >= entry.end_row)
        return;
    object = lk_direction_batch_add(batch, &entry);
    json_object_set_int_member(object, "hidden", hidden);
    json_object_set_int_member(object, "classifier", classifier);
    json_object_set_array_member(object, "exclude", excluded_array(batch, attributes, edit));
    json_object_set_double_member(object, "rate", RATE);
}

gboolean lk_add_gradctrl(LkDirectionBatch *batch, LkTorchFile *file, GError **error)
{
    g_auto(GStrv) attributes = NULL;
    g_autofree char *names = NULL;
    guint n = 0, hidden = 0;

    batch->shares = TRUE;
    batch->kind = LK_DIRECTION_GRADCTRL;
    if (!add_classifiers(batch, file, &n, &hidden, error))
        return FALSE;
    attributes = read_attributes(batch, n, error);
    if (attributes == NULL)
        return FALSE;
    for (guint edit = 0; edit < G_N_ELEMENTS(published_edits); edit++)
        add_gradctrl_slider(batch, attributes, edit, hidden);
    names = g_strjoinv(", ", attributes);
    return batch->entries->len > 0 ||
           lk_direction_batch_refuse(batch, error, "there is no published edit of what it recognizes (%s)",
                                     names);
}
