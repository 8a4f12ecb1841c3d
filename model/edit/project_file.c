/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * project_file.c - projects as files: docs/project-file.md.
 */
#include "json_check.h"
#include "new_file.h"
#include "project-private.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT  "likeness-project"
#define VERSION 1

enum {
    MAX_FILE = 128 << 20, /* bytes */
    MAX_MARKS = 100000,   /* commas, colons, brackets: memory is not to be far more than the file */
    MAX_DEPTH = 8,
    MAX_SLIDERS = LK_MAX_DIRECTIONS,
    MAX_SIDE = 4096, /* channels, rows or columns of a tensor */
    MAX_TEXT = 1 << 14,
};

#define MAX_PIXELS 1e6 /* of a coordinate */

/* ---- writing --------------------------------------------------------------------------------------------- */

static void add_string(JsonBuilder *json, const char *key, const char *value)
{
    json_builder_set_member_name(json, key);
    json_builder_add_string_value(json, value);
}

static void add_int(JsonBuilder *json, const char *key, gint64 value)
{
    json_builder_set_member_name(json, key);
    json_builder_add_int_value(json, value);
}

static void begin_object(JsonBuilder *json, const char *key)
{
    json_builder_set_member_name(json, key);
    json_builder_begin_object(json);
}

/* A file's name may be any bytes; those that are not UTF-8, and "%", are written as in a URI. */
static void add_path(JsonBuilder *json, const char *key, const char *path)
{
    g_autofree char *text = g_uri_escape_string(path, "/ !$&'()*+,;=:@[]#?~", TRUE);

    add_string(json, key, text);
}

static void add_pair(JsonBuilder *json, const char *key, const double pair[2])
{
    json_builder_set_member_name(json, key);
    json_builder_begin_array(json);
    json_builder_add_double_value(json, pair[0]);
    json_builder_add_double_value(json, pair[1]);
    json_builder_end_array(json);
}

static void add_tensor(JsonBuilder *json, const char *key, const guint *shape, guint n_dims, LkType type,
                       gconstpointer data, gsize size)
{
    g_autofree char *text = g_base64_encode(data, size);

    begin_object(json, key);
    add_string(json, "type", type == LK_F16 ? "f16" : "f32");
    json_builder_set_member_name(json, "shape");
    json_builder_begin_array(json);
    for (guint i = 0; i < n_dims; i++)
        json_builder_add_int_value(json, shape[i]);
    json_builder_end_array(json);
    add_string(json, "data", text);
    json_builder_end_object(json);
}

static void add_inversion(JsonBuilder *json, const LkInversion *inversion)
{
    const guint code[] = {inversion->rows, inversion->width};
    const guint features[] = {inversion->c, inversion->h, inversion->w};
    gsize size;
    const void *data = g_bytes_get_data(inversion->enc_feat, &size);

    add_tensor(json, "w_plus", code, 2, LK_F32, inversion->w_plus, (gsize)code[0] * code[1] * sizeof(float));
    add_tensor(json, "enc_feat", features, 3, inversion->type, data, size);
}

static void add_face(JsonBuilder *json, const LkProjectFace *face)
{
    json_builder_begin_object(json);
    begin_object(json, "quad");
    add_pair(json, "centre", face->quad.centre);
    add_pair(json, "x", face->quad.x);
    add_pair(json, "y", face->quad.y);
    json_builder_end_object(json);
    json_builder_set_member_name(json, "aligned");
    json_builder_add_boolean_value(json, face->aligned);
    add_string(json, "inversion", face->mode == LK_INVERSION_WPLUS ? "e4e" : "styleres");
    json_builder_set_member_name(json, "detail");
    json_builder_add_double_value(json, face->detail);
    begin_object(json, "sliders");
    for (guint i = 0; i < face->sliders->len; i++) {
        const LkProjectSlider *slider = &g_array_index(face->sliders, LkProjectSlider, i);
        json_builder_set_member_name(json, slider->name);
        json_builder_add_double_value(json, (double)slider->value);
    }
    json_builder_end_object(json);
    if (face->inversion != NULL)
        add_inversion(json, face->inversion);
    json_builder_end_object(json);
}

/* The way from a folder to a file, both absolute and canonical. */
static char *relative_path(const char *folder, const char *path)
{
    g_auto(GStrv) from = g_strsplit(folder, "/", -1), to = g_strsplit(path, "/", -1);
    g_autoptr(GString) way = g_string_new(NULL);
    guint common = 0;

    while (from[common] && to[common] && to[common + 1] && strcmp(from[common], to[common]) == 0)
        common++;
    for (guint i = common; from[i] != NULL; i++)
        if (*from[i] != '\0')
            g_string_append(way, "../");
    for (guint i = common; to[i] != NULL; i++)
        g_string_append_printf(way, "%s%s", to[i], to[i + 1] ? "/" : "");
    return g_string_free(g_steal_pointer(&way), FALSE);
}

static void add_photo(JsonBuilder *json, const LkProject *project, const char *path)
{
    g_autofree char *absolute = g_canonicalize_filename(path, NULL);
    g_autofree char *folder = g_path_get_dirname(absolute);
    g_autofree char *relative = relative_path(folder, project->photo);

    begin_object(json, "photo");
    add_path(json, "relative", relative);
    add_path(json, "path", project->photo);
    add_int(json, "size", (gint64)project->photo_size);
    add_string(json, "sha256", project->photo_sha256);
    json_builder_end_object(json);
}

static void add_model(JsonBuilder *json, const LkProject *project)
{
    g_autofree char *hash = g_strdup_printf("%016" G_GINT64_MODIFIER "x", project->network_hash);

    begin_object(json, "model");
    add_string(json, "name", project->model_name);
    add_path(json, "path", project->model_path);
    add_string(json, "networks", hash);
    json_builder_end_object(json);
}

static char *to_text(const LkProject *project, const char *path, gsize *size)
{
    g_autoptr(JsonBuilder) json = json_builder_new();
    g_autoptr(JsonGenerator) generator = json_generator_new();
    g_autoptr(JsonNode) root = NULL;

    json_builder_begin_object(json);
    add_string(json, "format", FORMAT);
    add_int(json, "version", VERSION);
    add_photo(json, project, path);
    add_model(json, project);
    add_int(json, "face", project->chosen);
    json_builder_set_member_name(json, "faces");
    json_builder_begin_array(json);
    for (guint i = 0; i < project->faces->len; i++)
        add_face(json, g_ptr_array_index(project->faces, i));
    json_builder_end_array(json);
    json_builder_end_object(json);
    root = json_builder_get_root(json);
    json_generator_set_root(generator, root);
    json_generator_set_pretty(generator, TRUE);
    return json_generator_to_data(generator, size);
}

gboolean lk_project_write(const LkProject *project, const char *path, GError **error)
{
    g_autoptr(LkNewFile) file = lk_new_file_open(path, LK_NEW_FILE_DEFAULT, error);
    g_autofree char *text = NULL;
    gsize size;

    if (file == NULL)
        return FALSE;
    text = to_text(project, path, &size);
    if (size > MAX_FILE) {
        g_autofree char *shown = g_filename_display_name(path);
        g_set_error(error, LK_PROJECT_ERROR, LK_PROJECT_ERROR_FORMAT,
                    "%s cannot be written: the faces that were edited do not fit into one project", shown);
        return FALSE;
    }
    for (gsize done = 0; done < size;) {
        const gssize n = write(lk_new_file_fd(file), text + done, size - done);
        if (n < 0 && errno != EINTR) {
            g_autofree char *shown = g_filename_display_name(path);
            g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "%s cannot be written: %s",
                        shown, g_strerror(errno));
            return FALSE;
        }
        done += n > 0 ? (gsize)n : 0;
    }
    return lk_new_file_publish(file, error);
}

/* ---- reading --------------------------------------------------------------------------------------------- */

static gboolean refuse(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
static gboolean refuse(GError **error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (error != NULL)
        *error = g_error_new_valist(LK_PROJECT_ERROR, LK_PROJECT_ERROR_FORMAT, format, arguments);
    va_end(arguments);
    return FALSE;
}

static JsonNode *get_value(JsonObject *object, const char *key, GType type)
{
    JsonNode *node = json_object_get_member(object, key);

    return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == type ? node : NULL;
}

static JsonObject *get_object(JsonObject *object, const char *key, GError **error)
{
    JsonNode *node = json_object_get_member(object, key);

    if (node && JSON_NODE_HOLDS_OBJECT(node))
        return json_node_get_object(node);
    refuse(error, "\"%s\" is missing or no object", key);
    return NULL;
}

static const char *get_string(JsonObject *object, const char *key, GError **error)
{
    JsonNode *node = get_value(object, key, G_TYPE_STRING);

    if (node)
        return json_node_get_string(node);
    refuse(error, "\"%s\" is missing or no text", key);
    return NULL;
}

static gboolean get_int(JsonObject *object, const char *key, gint64 maximum, gint64 *value, GError **error)
{
    JsonNode *node = get_value(object, key, G_TYPE_INT64);

    *value = node ? json_node_get_int(node) : -1;
    return (*value >= 0 && *value <= maximum) || refuse(error, "\"%s\" is missing or no such number", key);
}

static gboolean to_double(JsonNode *node, double minimum, double maximum, double *value)
{
    if (node == NULL || !JSON_NODE_HOLDS_VALUE(node) ||
        (json_node_get_value_type(node) != G_TYPE_DOUBLE && json_node_get_value_type(node) != G_TYPE_INT64))
        return FALSE;
    *value = json_node_get_double(node);
    return isfinite(*value) && *value >= minimum && *value <= maximum;
}

static gboolean get_path(JsonObject *object, const char *key, char **path, GError **error)
{
    const char *text = get_string(object, key, error);

    if (text == NULL)
        return FALSE;
    *path = strlen(text) <= MAX_TEXT ? g_uri_unescape_string(text, NULL) : NULL;
    return (*path != NULL && **path != '\0') || refuse(error, "\"%s\" is no path", key);
}

static gboolean is_hex(const char *text, gsize length)
{
    return strlen(text) == length && strspn(text, "0123456789abcdef") == length;
}

static gboolean read_photo(LkProject *project, JsonObject *root, GError **error)
{
    JsonObject *photo = get_object(root, "photo", error);
    const char *sha256;
    gint64 size;

    if (photo == NULL || !get_path(photo, "relative", &project->relative, error) ||
        !get_path(photo, "path", &project->photo, error) || !get_int(photo, "size", G_MAXINT64, &size, error))
        return FALSE;
    project->photo_size = (guint64)size;
    if (!g_path_is_absolute(project->photo))
        return refuse(error, "the photo's path is not absolute");
    sha256 = get_string(photo, "sha256", error);
    if (sha256 == NULL)
        return FALSE;
    project->photo_sha256 = g_strdup(sha256);
    return is_hex(sha256, 64) || refuse(error, "the photo's SHA-256 has not 64 hexadecimal digits");
}

static gboolean read_model(LkProject *project, JsonObject *root, GError **error)
{
    JsonObject *model = get_object(root, "model", error);
    const char *name = model ? get_string(model, "name", error) : NULL;
    const char *hash = name ? get_string(model, "networks", error) : NULL;

    if (hash == NULL || !get_path(model, "path", &project->model_path, error))
        return FALSE;
    project->model_name = g_strndup(name, MAX_TEXT);
    project->network_hash = g_ascii_strtoull(hash, NULL, 16);
    return is_hex(hash, 16) || refuse(error, "the hash of the networks has not 16 hexadecimal digits");
}

/* ---- a face ---- */

static gboolean read_pair(JsonObject *object, const char *key, double pair[2], GError **error)
{
    JsonNode *node = json_object_get_member(object, key);
    JsonArray *array = node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;

    for (guint i = 0; i < 2; i++)
        if (array == NULL || json_array_get_length(array) != 2 ||
            !to_double(json_array_get_element(array, i), -MAX_PIXELS, MAX_PIXELS, &pair[i]))
            return refuse(error, "\"%s\" of a quad is missing or no pair of coordinates", key);
    return TRUE;
}

static gboolean read_quad(LkQuad *quad, JsonObject *face, GError **error)
{
    JsonObject *object = get_object(face, "quad", error);
    double side;

    if (object == NULL || !read_pair(object, "centre", quad->centre, error) ||
        !read_pair(object, "x", quad->x, error) || !read_pair(object, "y", quad->y, error))
        return FALSE;
    side = hypot(quad->x[0], quad->x[1]);
    return (side >= 1 && hypot(quad->y[0] + quad->x[1], quad->y[1] - quad->x[0]) <= 1e-6 * side) ||
           refuse(error, "a quad is no square");
}

/* The tensor's bytes, of which its shape must account for every one. */
static guint8 *read_tensor(JsonObject *face, const char *key, guint *shape, guint n_dims, LkType *type,
                           gsize *n, GError **error)
{
    JsonObject *object = get_object(face, key, error);
    const char *kind = object ? get_string(object, "type", error) : NULL;
    const char *text = kind ? get_string(object, "data", error) : NULL;
    JsonNode *node = text ? json_object_get_member(object, "shape") : NULL;
    JsonArray *sizes = node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
    gsize expected, size;

    if (text == NULL)
        return NULL;
    *type = strcmp(kind, "f16") == 0 ? LK_F16 : LK_F32;
    *n = 1;
    for (guint i = 0; i < n_dims; i++) {
        double value;
        if (sizes == NULL || json_array_get_length(sizes) != n_dims ||
            !to_double(json_array_get_element(sizes, i), 1, MAX_SIDE, &value) || value != floor(value)) {
            refuse(error, "the shape of %s is missing or no shape", key);
            return NULL;
        }
        shape[i] = (guint)value;
        *n *= shape[i];
    }
    expected = *n * lk_type_size(*type);
    if ((*type == LK_F32 && strcmp(kind, "f32") != 0) || strlen(text) != (expected + 2) / 3 * 4) {
        refuse(error, "%s has not the data of its type and shape", key);
        return NULL;
    }
    g_autofree guint8 *data = g_base64_decode(text, &size);
    if (size == expected)
        return g_steal_pointer(&data);
    refuse(error, "%s has damaged data", key);
    return NULL;
}

static gboolean is_finite(const guint8 *data, gsize n, LkType type)
{
    for (gsize i = 0; i < n; i++) {
        guint32 word = 0;
        memcpy(&word, data + i * lk_type_size(type), lk_type_size(type)); /* little-endian */
        const guint32 exponent = type == LK_F16 ? 0x7c00 : 0x7f800000;
        if ((word & exponent) == exponent)
            return FALSE;
    }
    return TRUE;
}

/* Both tensors or none. */
static gboolean read_inversion(LkProjectFace *face, JsonObject *object, GError **error)
{
    LkInversion *inversion;
    guint code[2], features[3];
    LkType type;
    gsize n;
    guint8 *data;

    if (!json_object_has_member(object, "w_plus") && !json_object_has_member(object, "enc_feat"))
        return TRUE;
    inversion = face->inversion = g_new0(LkInversion, 1);
    data = read_tensor(object, "w_plus", code, 2, &type, &n, error);
    inversion->w_plus = (float *)(gpointer)data;
    if (data == NULL)
        return FALSE;
    if (type != LK_F32 || !is_finite(data, n, type))
        return refuse(error, "w_plus has numbers that are not finite, or not single precision");
    inversion->rows = code[0];
    inversion->width = code[1];
    data = read_tensor(object, "enc_feat", features, 3, &inversion->type, &n, error);
    if (data == NULL)
        return FALSE;
    inversion->enc_feat = g_bytes_new_take(data, n * lk_type_size(inversion->type));
    inversion->c = features[0];
    inversion->h = features[1];
    inversion->w = features[2];
    return is_finite(data, n, inversion->type) || refuse(error, "enc_feat has numbers that are not finite");
}

static gboolean read_sliders(LkProjectFace *face, JsonObject *object, GError **error)
{
    JsonObject *sliders = get_object(object, "sliders", error);
    g_autoptr(GList) names = sliders ? json_object_get_members(sliders) : NULL;

    if (sliders == NULL)
        return FALSE;
    if (g_list_length(names) > MAX_SLIDERS)
        return refuse(error, "a face has more than %d sliders", MAX_SLIDERS);
    for (GList *name = names; name != NULL; name = name->next) {
        double value;
        if (!lk_direction_is_name(name->data) ||
            !to_double(json_object_get_member(sliders, name->data), -1e30, 1e30, &value))
            return refuse(error, "the slider \"%.60s\" has no such name or no number", (char *)name->data);
        lk_project_add_slider(face, name->data, (float)value);
    }
    return TRUE;
}

static gboolean read_face(LkProject *project, JsonNode *node, GError **error)
{
    LkProjectFace *face = lk_project_face_new();
    JsonObject *object = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
    JsonNode *aligned = object ? get_value(object, "aligned", G_TYPE_BOOLEAN) : NULL;
    const char *mode;

    g_ptr_array_add(project->faces, face);
    if (aligned == NULL)
        return refuse(error, "a face is no object, or has no \"aligned\"");
    face->aligned = json_node_get_boolean(aligned);
    if (!to_double(json_object_get_member(object, "detail"), 0, 1, &face->detail))
        return refuse(error, "\"detail\" is missing or not between 0 and 1");
    mode = get_string(object, "inversion", error);
    if (mode == NULL)
        return FALSE;
    face->mode = strcmp(mode, "e4e") == 0 ? LK_INVERSION_WPLUS : LK_INVERSION_STYLERES;
    if (face->mode == LK_INVERSION_STYLERES && strcmp(mode, "styleres") != 0)
        return refuse(error, "the inversion is \"%.60s\", not \"styleres\" or \"e4e\"", mode);
    return read_quad(&face->quad, object, error) && read_sliders(face, object, error) &&
           read_inversion(face, object, error);
}

/* ---- the whole ---- */

/* Version 1 did not have it at first: then it is the first face. */
static gboolean read_chosen(LkProject *project, JsonObject *root, GError **error)
{
    gint64 chosen = 0;

    if (json_object_has_member(root, "face") &&
        !get_int(root, "face", (gint64)project->faces->len - 1, &chosen, error))
        return FALSE;
    project->chosen = (guint)chosen;
    return TRUE;
}

static gboolean read_root(LkProject *project, JsonNode *node, GError **error)
{
    JsonObject *root = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
    JsonNode *format = root ? get_value(root, "format", G_TYPE_STRING) : NULL;
    JsonNode *faces;
    gint64 version;

    if (format == NULL || strcmp(json_node_get_string(format), FORMAT) != 0)
        return refuse(error, "this is no project");
    if (!get_int(root, "version", G_MAXINT, &version, error))
        return FALSE;
    if (version != VERSION)
        return refuse(error, "this is a project of version %d; this program reads version %d", (int)version,
                      VERSION);
    faces = json_object_get_member(root, "faces");
    if (faces == NULL || !JSON_NODE_HOLDS_ARRAY(faces) ||
        json_array_get_length(json_node_get_array(faces)) < 1 ||
        json_array_get_length(json_node_get_array(faces)) > LK_PROJECT_MAX_FACES)
        return refuse(error, "\"faces\" is missing or no list of 1 to %d faces", LK_PROJECT_MAX_FACES);
    if (!read_photo(project, root, error) || !read_model(project, root, error))
        return FALSE;
    for (guint i = 0; i < json_array_get_length(json_node_get_array(faces)); i++)
        if (!read_face(project, json_array_get_element(json_node_get_array(faces), i), error))
            return FALSE;
    return read_chosen(project, root, error);
}

static char *read_text(const char *path, gsize *size, GError **error)
{
    g_autofree char *shown = g_filename_display_name(path);
    GStatBuf info;
    char *text;

    if (g_stat(path, &info) == 0 && (!S_ISREG(info.st_mode) || info.st_size > MAX_FILE)) {
        refuse(error, "%s",
               S_ISREG(info.st_mode) ? "it is too large for a project" : "it is no ordinary file");
        g_prefix_error(error, "%s: ", shown);
        return NULL;
    }
    return g_file_get_contents(path, &text, size, error) ? text : NULL;
}

static gboolean has_few_marks(const char *text, gsize size)
{
    guint n = 0;

    for (gsize i = 0; i < size; i++)
        n += text[i] == ',' || text[i] == ':' || text[i] == '[' || text[i] == '{';
    return n <= MAX_MARKS;
}

LkProject *lk_project_read(const char *path, GError **error)
{
    g_autoptr(LkProject) project = lk_project_empty();
    g_autoptr(JsonNode) root = NULL;
    g_autofree char *shown = g_filename_display_name(path);
    g_autofree char *absolute = g_canonicalize_filename(path, NULL);
    g_autofree char *text = NULL, *reason = NULL;
    gsize size;

    text = read_text(path, &size, error);
    if (text == NULL)
        return NULL;
    project->folder = g_path_get_dirname(absolute);
    if (has_few_marks(text, size))
        root = lk_json_parse(text, size, MAX_DEPTH, &reason);
    else
        reason = g_strdup("it has too many parts for a project");
    if (root == NULL)
        refuse(error, "%s", reason);
    if (root == NULL || !read_root(project, root, error)) {
        g_prefix_error(error, "%s: ", shown);
        return NULL;
    }
    return g_steal_pointer(&project);
}
