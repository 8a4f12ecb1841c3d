/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "session.h"

#include "worker.h"

#include <math.h>
#include <string.h>

/* A picture of older values is given up when the newer ones have rested for so long, in milliseconds: longer
 * than the pause between two events of a moving hand, shorter than anyone calls a wait. */
enum { REST_TIME = 80 };

struct _LkSession {
    GObject parent_instance;

    GMainContext *context;
    LkWorker *worker; /* NULL: closed */
    LkModel *model;
    guint n_values;
    GPtrArray *jobs;     /* all that the worker has; not owned */
    LkJob *opening;      /* the newest of a photo, a face or a model, or NULL */
    LkJob *making;       /* the picture being made, or NULL */
    GSource *rest_timer; /* or NULL */

    LkOriginal *original;
    char *photo, *project; /* paths, or NULL */
    gboolean has_picture;  /* of this photo and model */
    GArray *pieces;        /* of LkPiece, as many as faces: what it changes */
    GArray *quads;         /* of LkQuad */
    GArray *states;        /* of LkFaceState: of the faces that are not chosen now */
    guint face;            /* the chosen one: the following are its own */
    float *values;
    float *neutral;
    LkInversionMode mode;
    double detail;
    float *made; /* values, mode and detail of the last picture that was made or failed */
    LkInversionMode made_mode;
    double made_detail;
    gboolean made_is_valid;  /* FALSE: none yet of this photo and model */
    gboolean made_is_coarse; /* one in full is still to come */
    gboolean half_precision; /* as signalled */

    guint64 changes, kept; /* how often something was set, and as of when a file has it */

    LkSessionState state; /* as last notified */
    gboolean modified, unsaved;
};

enum {
    PROP_STATE = 1,
    PROP_MODIFIED,
    PROP_UNSAVED,
    PROP_MODE,
    PROP_DETAIL,
    PROP_FACE,
    PROP_MODEL,
    N_PROPERTIES,
};
enum { PICTURE, FAILED, WARNING, HALF_PRECISION, N_SIGNALS };

static GParamSpec *properties[N_PROPERTIES];
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE(LkSession, lk_session, G_TYPE_OBJECT)

GType lk_session_state_get_type(void)
{
    static GType type;
    static const GEnumValue values[] = {
        {LK_SESSION_EMPTY, "LK_SESSION_EMPTY", "empty"},
        {LK_SESSION_OPENING, "LK_SESSION_OPENING", "opening"},
        {LK_SESSION_READY, "LK_SESSION_READY", "ready"},
        {LK_SESSION_BUSY, "LK_SESSION_BUSY", "busy"},
        {0, NULL, NULL},
    };

    if (g_once_init_enter(&type))
        g_once_init_leave(&type, g_enum_register_static("LkSessionState", values));
    return type;
}

GType lk_inversion_mode_get_type(void)
{
    static GType type;
    static const GEnumValue values[] = {
        {LK_INVERSION_STYLERES, "LK_INVERSION_STYLERES", "styleres"},
        {LK_INVERSION_WPLUS, "LK_INVERSION_WPLUS", "e4e"},
        {0, NULL, NULL},
    };

    if (g_once_init_enter(&type))
        g_once_init_leave(&type, g_enum_register_static("LkInversionMode", values));
    return type;
}

/* ---- state --------------------------------------------------------------------------------------------- */

static gsize values_size(LkSession *self)
{
    return self->n_values * sizeof(float);
}

static gboolean values_are_shown(LkSession *self)
{
    return self->made_is_valid && self->made_mode == self->mode && self->made_detail == self->detail &&
           memcmp(self->made, self->values, values_size(self)) == 0;
}

static gboolean values_are_made(LkSession *self)
{
    return values_are_shown(self) && !self->made_is_coarse;
}

static LkSessionState current_state(LkSession *self)
{
    if (self->opening != NULL)
        return LK_SESSION_OPENING;
    if (self->original == NULL)
        return LK_SESSION_EMPTY;
    return self->making != NULL || self->made_is_coarse ? LK_SESSION_BUSY : LK_SESSION_READY;
}

/* Not once the session is closed. */
static void notify(LkSession *self, guint property)
{
    if (self->worker != NULL)
        g_object_notify_by_pspec(G_OBJECT(self), properties[property]);
}

static void notify_state(LkSession *self)
{
    const LkSessionState state = current_state(self);

    if (state == self->state || self->worker == NULL)
        return;
    self->state = state;
    notify(self, PROP_STATE);
}

static gboolean is_edited(LkSession *self, const float *values, const float *neutral)
{
    for (guint k = 0; k < self->n_values; k++)
        if (values[k] != neutral[k])
            return TRUE;
    return FALSE;
}

static gboolean some_face_is_edited(LkSession *self)
{
    for (guint i = 0; i < self->states->len; i++) {
        const LkFaceState *state = &g_array_index(self->states, LkFaceState, i);
        if (i != self->face && state->was_chosen && is_edited(self, state->values, state->neutral))
            return TRUE;
    }
    return self->modified;
}

/* A photo as it was needs no keeping, unless its project's file says otherwise. */
static void notify_unsaved(LkSession *self)
{
    const gboolean unsaved =
        self->changes != self->kept && (self->project != NULL || some_face_is_edited(self));

    if (unsaved == self->unsaved)
        return;
    self->unsaved = unsaved;
    notify(self, PROP_UNSAVED);
}

static void notify_modified(LkSession *self)
{
    const gboolean modified = is_edited(self, self->values, self->neutral);

    if (modified != self->modified) {
        self->modified = modified;
        notify(self, PROP_MODIFIED);
    }
    notify_unsaved(self);
}

static void set_mode(LkSession *self, LkInversionMode mode)
{
    if (mode == self->mode)
        return;
    self->mode = mode;
    notify(self, PROP_MODE);
}

static void set_detail(LkSession *self, double detail)
{
    if (detail == self->detail)
        return;
    self->detail = detail;
    notify(self, PROP_DETAIL);
}

static void set_face(LkSession *self, guint face)
{
    if (face == self->face)
        return;
    self->face = face;
    notify(self, PROP_FACE);
}

/* None is edited. quads: NULL: there are none. */
static void start_faces(LkSession *self, GArray *quads)
{
    g_clear_pointer(&self->quads, g_array_unref);
    self->quads = quads != NULL ? g_array_ref(quads) : g_array_new(FALSE, FALSE, sizeof(LkQuad));
    g_clear_pointer(&self->states, g_array_unref);
    self->states = lk_face_states_new(self->quads->len);
    g_clear_pointer(&self->pieces, g_array_unref);
    self->pieces = lk_pieces_new(self->quads->len);
    self->has_picture = FALSE;
    self->kept = self->changes;
}

/* neutral: NULL: all 0. */
static void start_at(LkSession *self, const float *neutral)
{
    if (neutral != NULL)
        memcpy(self->neutral, neutral, values_size(self));
    else
        memset(self->neutral, 0, values_size(self));
    memcpy(self->values, self->neutral, values_size(self));
    self->made_is_valid = FALSE;
    self->made_is_coarse = FALSE;
}

static void take_model(LkSession *self, LkModel *model)
{
    lk_model_ref(model);
    lk_model_unref(self->model);
    self->model = model;
    self->n_values = lk_model_n_directions(model);
    /* One more than needed: a model without directions has values, too. */
    self->values = g_renew(float, self->values, self->n_values + 1);
    self->neutral = g_renew(float, self->neutral, self->n_values + 1);
    self->made = g_renew(float, self->made, self->n_values + 1);
    start_faces(self, NULL);
    start_at(self, NULL);
}

/* ---- jobs ---------------------------------------------------------------------------------------------- */

static LkJob *submit(LkSession *self, LkJob *job)
{
    g_ptr_array_add(self->jobs, job);
    lk_worker_submit(self->worker, job);
    return job;
}

static LkJob *job_with_values(LkSession *self, LkJobKind kind, GCancellable *cancellable)
{
    LkJob *job = lk_job_new(kind, cancellable);

    job->values = g_memdup2(self->values, values_size(self));
    job->mode = self->mode;
    job->detail = self->detail;
    return job;
}

/* Starts a picture where one is missing. Every change ends here, so that what is shown always comes to be
 * what is set. A coarse one will do for values that do not rest yet. */
static void make_missing_picture(LkSession *self)
{
    const gboolean can = self->worker != NULL && self->original != NULL && self->opening == NULL;
    const gboolean coarse = self->rest_timer != NULL;

    if (can && self->making == NULL && !(coarse ? values_are_shown(self) : values_are_made(self))) {
        LkJob *job = job_with_values(self, LK_JOB_PICTURE, NULL);
        job->coarse = coarse;
        self->making = submit(self, job);
    }
    notify_state(self);
}

static void stop_rest_timer(LkSession *self)
{
    if (self->rest_timer == NULL)
        return;
    g_source_destroy(self->rest_timer);
    g_clear_pointer(&self->rest_timer, g_source_unref);
}

static gboolean values_rest(gpointer data)
{
    LkSession *self = data;
    LkJob *making = self->making;

    stop_rest_timer(self);
    if (making != NULL && (making->mode != self->mode || making->detail != self->detail ||
                           memcmp(making->values, self->values, values_size(self)) != 0))
        g_cancellable_cancel(making->cancellable);
    make_missing_picture(self);
    return G_SOURCE_REMOVE;
}

static void start_rest_timer(LkSession *self)
{
    stop_rest_timer(self);
    self->rest_timer = g_timeout_source_new(REST_TIME);
    g_source_set_callback(self->rest_timer, values_rest, self, NULL);
    g_source_attach(self->rest_timer, self->context);
}

static void values_changed(LkSession *self)
{
    self->changes++;
    notify_modified(self);
    start_rest_timer(self);
    make_missing_picture(self);
}

/* ---- results ------------------------------------------------------------------------------------------- */

static void return_task(LkJob *job)
{
    if (job->error != NULL)
        g_task_return_error(job->task, g_steal_pointer(&job->error));
    else
        g_task_return_boolean(job->task, TRUE);
}

static void take_pieces(LkSession *self, LkJob *job)
{
    g_clear_pointer(&self->pieces, g_array_unref);
    self->pieces = g_array_ref(job->pieces);
}

static void enter_face(LkSession *self, guint face, const float *neutral)
{
    const LkFaceState *state = &g_array_index(self->states, LkFaceState, face);

    start_at(self, neutral);
    if (state->was_chosen)
        memcpy(self->values, state->values, values_size(self));
    /* Before the properties of the face. */
    set_face(self, face);
    set_mode(self, state->was_chosen ? state->mode : LK_INVERSION_STYLERES);
    set_detail(self, state->was_chosen ? state->detail : LK_DETAIL_DEFAULT);
    notify_modified(self);
}

/* As it was left in the project, or not edited yet. */
static void take_photo(LkSession *self, LkJob *job)
{
    lk_original_unref(self->original);
    self->original = lk_original_ref(job->original);
    g_free(self->photo);
    self->photo = g_strdup(job->photo);
    g_free(self->project);
    self->project = job->kind == LK_JOB_PROJECT ? g_strdup(job->path) : NULL;
    if (job->model != NULL)
        take_model(self, job->model);
    start_faces(self, job->quads);
    if (job->states != NULL) {
        g_clear_pointer(&self->states, g_array_unref);
        self->states = g_array_ref(job->states);
        take_pieces(self, job);
        self->has_picture = TRUE;
    }
    enter_face(self, job->face, job->neutral);
    if (job->model != NULL)
        notify(self, PROP_MODEL);
}

static void open_done(LkSession *self, LkJob *job)
{
    g_autofree char *warning = g_steal_pointer(&job->warning);
    const gboolean opened = job->error == NULL;

    if (self->opening == job)
        self->opening = NULL;
    if (opened)
        take_photo(self, job);
    make_missing_picture(self);
    return_task(job);
    if (opened && warning != NULL && self->worker != NULL)
        g_signal_emit(self, signals[WARNING], 0, warning);
}

static void leave_face(LkSession *self, LkJob *job)
{
    lk_face_state_set(&g_array_index(self->states, LkFaceState, job->left), job->values, self->neutral,
                      self->n_values, job->mode, job->detail);
}

/* A face that was added is the last one. */
static void take_added_face(LkSession *self, LkJob *job)
{
    /* Who reads the quads has the array before until then. */
    g_array_append_vals(self->quads, job->place, 1);
    g_array_set_size(self->states, self->quads->len);
    self->changes++;
}

static void face_done(LkSession *self, LkJob *job)
{
    if (self->opening == job)
        self->opening = NULL;
    if (job->error == NULL) {
        take_pieces(self, job);
        /* An older choice may have been done after this one was asked for. */
        if (job->left == self->face)
            leave_face(self, job);
        if (job->place != NULL)
            take_added_face(self, job);
        enter_face(self, job->face, job->neutral);
    }
    make_missing_picture(self);
    return_task(job);
}

/* What a file has now is as it was when the job was made. */
static void keep_done(LkSession *self, LkJob *job)
{
    if (job->error == NULL && job->changes > self->kept)
        self->kept = job->changes;
    notify_unsaved(self);
    return_task(job);
}

static void save_done(LkSession *self, LkJob *job)
{
    /* Not where another photo has been opened meanwhile. */
    if (job->error == NULL && g_strcmp0(self->photo, job->photo) == 0) {
        g_free(self->project);
        self->project = g_canonicalize_filename(job->path, NULL);
    }
    keep_done(self, job);
}

static void model_done(LkSession *self, LkJob *job)
{
    if (self->opening == job)
        self->opening = NULL;
    if (job->error == NULL) {
        take_model(self, job->model);
        start_faces(self, job->quads);
        start_at(self, job->neutral);
        self->changes++; /* an edit that is gone, where a project had one */
        notify(self, PROP_MODEL);
        notify_modified(self);
    }
    make_missing_picture(self);
    return_task(job);
}

static void picture_done(LkSession *self, LkJob *job)
{
    const gboolean cancelled = g_error_matches(job->error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

    self->making = NULL;
    if (!cancelled) {
        memcpy(self->made, job->values, values_size(self));
        self->made_mode = job->mode;
        self->made_detail = job->detail;
        self->made_is_valid = TRUE;
        self->made_is_coarse = job->coarse;
    }
    if (job->error == NULL) {
        take_pieces(self, job);
        self->has_picture = TRUE;
    }
    /* The next picture is started before this one is shown: the device need not wait for the window. */
    make_missing_picture(self);
    if (cancelled || self->worker == NULL)
        return;
    if (job->error == NULL)
        g_signal_emit(self, signals[PICTURE], 0, job->picture);
    else
        g_signal_emit(self, signals[FAILED], 0, job->error->message);
}

static void notice_half_precision(LkSession *self, LkJob *job)
{
    if (!job->half_precision || self->half_precision || self->worker == NULL)
        return;
    self->half_precision = TRUE;
    g_signal_emit(self, signals[HALF_PRECISION], 0);
}

static void job_done(LkJob *job, gpointer data)
{
    /* A callback may drop the last reference. */
    g_autoptr(LkSession) self = g_object_ref(data);

    g_ptr_array_remove_fast(self->jobs, job);
    notice_half_precision(self, job);
    switch (job->kind) {
    case LK_JOB_OPEN:
    case LK_JOB_PROJECT:
        open_done(self, job);
        break;
    case LK_JOB_FACE:
        face_done(self, job);
        break;
    case LK_JOB_MODEL:
        model_done(self, job);
        break;
    case LK_JOB_PICTURE:
        picture_done(self, job);
        break;
    case LK_JOB_EXPORT:
        keep_done(self, job);
        break;
    case LK_JOB_SAVE:
        save_done(self, job);
        break;
    }
    lk_job_free(job);
}

/* ---- life ---------------------------------------------------------------------------------------------- */

static void cancel_job(gpointer job, gpointer data)
{
    g_cancellable_cancel(((LkJob *)job)->cancellable);
}

void lk_session_close(LkSession *self)
{
    g_return_if_fail(LK_IS_SESSION(self));

    /* Without a worker no signal is emitted and no job is submitted. */
    LkWorker *worker = g_steal_pointer(&self->worker);
    if (worker == NULL)
        return;
    stop_rest_timer(self);
    g_ptr_array_foreach(self->jobs, cancel_job, NULL);
    lk_worker_free(worker);
}

static void lk_session_dispose(GObject *object)
{
    LkSession *self = LK_SESSION(object);

    lk_session_close(self);
    g_clear_pointer(&self->original, lk_original_unref);
    G_OBJECT_CLASS(lk_session_parent_class)->dispose(object);
}

static void lk_session_finalize(GObject *object)
{
    LkSession *self = LK_SESSION(object);

    g_ptr_array_unref(self->jobs);
    g_array_unref(self->pieces);
    g_array_unref(self->quads);
    g_array_unref(self->states);
    g_free(self->photo);
    g_free(self->project);
    g_main_context_unref(self->context);
    lk_model_unref(self->model);
    g_free(self->values);
    g_free(self->neutral);
    g_free(self->made);
    G_OBJECT_CLASS(lk_session_parent_class)->finalize(object);
}

static void lk_session_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    LkSession *self = LK_SESSION(object);

    switch (id) {
    case PROP_STATE:
        g_value_set_enum(value, lk_session_get_state(self));
        break;
    case PROP_MODIFIED:
        g_value_set_boolean(value, self->modified);
        break;
    case PROP_UNSAVED:
        g_value_set_boolean(value, self->unsaved);
        break;
    case PROP_MODE:
        g_value_set_enum(value, self->mode);
        break;
    case PROP_DETAIL:
        g_value_set_double(value, self->detail);
        break;
    case PROP_FACE:
        g_value_set_uint(value, self->face);
        break;
    case PROP_MODEL:
        g_value_set_pointer(value, self->model);
        break;
    default:
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
}

static void lk_session_class_init(LkSessionClass *class)
{
    GObjectClass *object_class = G_OBJECT_CLASS(class);
    const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY;

    object_class->dispose = lk_session_dispose;
    object_class->finalize = lk_session_finalize;
    object_class->get_property = lk_session_get_property;

    properties[PROP_STATE] =
        g_param_spec_enum("state", NULL, NULL, LK_TYPE_SESSION_STATE, LK_SESSION_EMPTY, flags);
    properties[PROP_MODIFIED] = g_param_spec_boolean("modified", NULL, NULL, FALSE, flags);
    properties[PROP_UNSAVED] = g_param_spec_boolean("unsaved", NULL, NULL, FALSE, flags);
    properties[PROP_MODE] =
        g_param_spec_enum("mode", NULL, NULL, LK_TYPE_INVERSION_MODE, LK_INVERSION_STYLERES, flags);
    properties[PROP_DETAIL] = g_param_spec_double("detail", NULL, NULL, 0, 1, LK_DETAIL_DEFAULT, flags);
    properties[PROP_FACE] = g_param_spec_uint("face", NULL, NULL, 0, G_MAXUINT, 0, flags);
    properties[PROP_MODEL] = g_param_spec_pointer("model", NULL, NULL, flags);
    g_object_class_install_properties(object_class, N_PROPERTIES, properties);

    signals[PICTURE] = g_signal_new("picture", LK_TYPE_SESSION, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                    G_TYPE_NONE, 1, G_TYPE_POINTER);
    signals[FAILED] = g_signal_new("failed", LK_TYPE_SESSION, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                   G_TYPE_NONE, 1, G_TYPE_STRING);
    signals[WARNING] = g_signal_new("warning", LK_TYPE_SESSION, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                    G_TYPE_NONE, 1, G_TYPE_STRING);
    signals[HALF_PRECISION] = g_signal_new("half-precision", LK_TYPE_SESSION, G_SIGNAL_RUN_LAST, 0, NULL,
                                           NULL, NULL, G_TYPE_NONE, 0);
}

static void lk_session_init(LkSession *self)
{
    self->context = g_main_context_ref_thread_default();
    self->jobs = g_ptr_array_new();
    self->detail = LK_DETAIL_DEFAULT;
}

LkSession *lk_session_new(const LkEditorOptions *options, LkModel *model)
{
    LkSession *self = g_object_new(LK_TYPE_SESSION, NULL);

    take_model(self, model);
    self->worker = lk_worker_new(options, model, self->context, job_done, self);
    return self;
}

/* ---- what the window calls ----------------------------------------------------------------------------- */

LkSessionState lk_session_get_state(LkSession *self)
{
    g_return_val_if_fail(LK_IS_SESSION(self), LK_SESSION_EMPTY);
    return current_state(self);
}

LkModel *lk_session_get_model(LkSession *self)
{
    g_return_val_if_fail(LK_IS_SESSION(self), NULL);
    return self->model;
}

LkPhoto *lk_session_get_photo(LkSession *self)
{
    g_return_val_if_fail(LK_IS_SESSION(self), NULL);
    return self->original != NULL ? lk_original_photo(self->original) : NULL;
}

LkOriginal *lk_session_get_original(LkSession *self)
{
    g_return_val_if_fail(LK_IS_SESSION(self), NULL);
    return self->original;
}

const char *lk_session_get_photo_path(LkSession *self)
{
    g_return_val_if_fail(LK_IS_SESSION(self), NULL);
    return self->photo;
}

const char *lk_session_get_project_path(LkSession *self)
{
    g_return_val_if_fail(LK_IS_SESSION(self), NULL);
    return self->project;
}

const LkQuad *lk_session_get_quads(LkSession *self, guint *n_faces)
{
    g_return_val_if_fail(LK_IS_SESSION(self), NULL);
    *n_faces = self->quads->len;
    return self->quads->len > 0 ? &g_array_index(self->quads, LkQuad, 0) : NULL;
}

guint lk_session_get_face(LkSession *self)
{
    g_return_val_if_fail(LK_IS_SESSION(self), 0);
    return self->face;
}

const LkPiece *lk_session_get_piece(LkSession *self, guint index)
{
    g_return_val_if_fail(LK_IS_SESSION(self) && index < self->pieces->len, NULL);

    const LkPiece *piece = &g_array_index(self->pieces, LkPiece, index);
    return piece->photo != NULL ? piece : NULL;
}

static void copy_piece(guint8 *pixels, guint width, const LkPiece *piece)
{
    g_autoptr(LkPhoto) fine = lk_piece_is_coarse(piece)
                                  ? lk_photo_resize(piece->photo, piece->width, piece->height)
                                  : lk_photo_ref(piece->photo);
    const gsize row = (gsize)piece->width * 4;

    for (guint y = 0; y < piece->height; y++)
        memcpy(pixels + ((gsize)(piece->y + y) * width + piece->x) * 4, lk_photo_pixels(fine) + y * row, row);
}

LkPhoto *lk_session_copy_picture(LkSession *self)
{
    LkPhoto *photo = lk_session_get_photo(self);

    if (photo == NULL || !self->has_picture)
        return NULL;

    const guint width = lk_photo_width(photo), height = lk_photo_height(photo);
    g_autofree guint8 *pixels = g_memdup2(lk_photo_pixels(photo), (gsize)width * height * 4);
    for (guint i = 0; i < self->pieces->len; i++) {
        const LkPiece *piece = &g_array_index(self->pieces, LkPiece, i);
        if (piece->photo != NULL)
            copy_piece(pixels, width, piece);
    }
    return lk_photo_new(width, height, pixels);
}

gboolean lk_session_get_modified(LkSession *self)
{
    g_return_val_if_fail(LK_IS_SESSION(self), FALSE);
    return self->modified;
}

gboolean lk_session_get_unsaved(LkSession *self)
{
    g_return_val_if_fail(LK_IS_SESSION(self), FALSE);
    return self->unsaved;
}

LkInversionMode lk_session_get_mode(LkSession *self)
{
    g_return_val_if_fail(LK_IS_SESSION(self), LK_INVERSION_STYLERES);
    return self->mode;
}

/* Whose results are finished by the same function. */
#define TAG_OPEN ((gpointer)lk_session_open_finish)
#define TAG_FACE ((gpointer)lk_session_choose_face_finish)

static LkJob *job_of_file(LkJobKind kind, const char *path, GCancellable *cancellable)
{
    LkJob *job = lk_job_new(kind, cancellable);

    job->path = g_canonicalize_filename(path, NULL);
    return job;
}

static GTask *task_new(LkSession *self, gpointer tag, GAsyncReadyCallback callback, gpointer user_data)
{
    /* No cancellable: a job that was done before it could be cancelled is reported as done. */
    GTask *task = g_task_new(self, NULL, callback, user_data);

    g_task_set_source_tag(task, tag);
    return task;
}

static gboolean opens_the_same(LkJobKind a, LkJobKind b)
{
    const gboolean photos =
        (a == LK_JOB_OPEN || a == LK_JOB_PROJECT) && (b == LK_JOB_OPEN || b == LK_JOB_PROJECT);

    return a == b || photos;
}

/* Takes the job; the newest of those that open the same wins. */
static void submit_opening(LkSession *self, LkJob *job, GTask *task)
{
    if (self->worker == NULL) {
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_CLOSED, "The session is closed.");
        lk_job_free(job);
        return;
    }
    for (guint i = 0; i < self->jobs->len; i++) {
        LkJob *older = g_ptr_array_index(self->jobs, i);
        if (opens_the_same(older->kind, job->kind) || older == self->making)
            g_cancellable_cancel(older->cancellable);
    }
    job->task = g_object_ref(task);
    self->opening = submit(self, job);
    notify_state(self);
}

void lk_session_open_async(LkSession *self, const char *path, LkOpenMode mode, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data)
{
    g_return_if_fail(LK_IS_SESSION(self));
    g_return_if_fail(path != NULL);

    g_autoptr(GTask) task = task_new(self, TAG_OPEN, callback, user_data);
    LkJob *job = job_of_file(LK_JOB_OPEN, path, cancellable);
    job->open_mode = mode;
    submit_opening(self, job, task);
}

void lk_session_open_placed_async(LkSession *self, const char *path, const LkQuad *quad,
                                  GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
    g_return_if_fail(LK_IS_SESSION(self));
    g_return_if_fail(path != NULL && quad != NULL);

    g_autoptr(GTask) task = task_new(self, TAG_OPEN, callback, user_data);
    LkJob *job = job_of_file(LK_JOB_OPEN, path, cancellable);
    job->place = g_memdup2(quad, sizeof *quad);
    submit_opening(self, job, task);
}

void lk_session_open_project_async(LkSession *self, const char *path, GCancellable *cancellable,
                                   GAsyncReadyCallback callback, gpointer user_data)
{
    g_return_if_fail(LK_IS_SESSION(self));
    g_return_if_fail(path != NULL);

    g_autoptr(GTask) task = task_new(self, TAG_OPEN, callback, user_data);
    submit_opening(self, job_of_file(LK_JOB_PROJECT, path, cancellable), task);
}

gboolean lk_session_open_finish(LkSession *self, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, self), FALSE);
    g_return_val_if_fail(g_async_result_is_tagged(result, TAG_OPEN), FALSE);
    return g_task_propagate_boolean(G_TASK(result), error);
}

/* FALSE: the task is answered. */
static gboolean can_choose_face(LkSession *self, GTask *task)
{
    if (self->opening == NULL || self->opening->kind == LK_JOB_FACE)
        return TRUE;
    g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_BUSY, "A photo is being opened.");
    return FALSE;
}

static void choose_face(LkSession *self, guint face, const LkQuad *added, GCancellable *cancellable,
                        GTask *task)
{
    if (!can_choose_face(self, task))
        return;

    LkJob *job = job_with_values(self, LK_JOB_FACE, cancellable);
    job->face = face;
    job->place = added != NULL ? g_memdup2(added, sizeof *added) : NULL;
    job->left = self->face;
    job->make_left = !values_are_made(self);
    submit_opening(self, job, task);
}

void lk_session_choose_face_async(LkSession *self, guint face, GCancellable *cancellable,
                                  GAsyncReadyCallback callback, gpointer user_data)
{
    g_return_if_fail(LK_IS_SESSION(self));
    g_return_if_fail(face < self->quads->len);

    g_autoptr(GTask) task = task_new(self, TAG_FACE, callback, user_data);
    choose_face(self, face, NULL, cancellable, task);
}

void lk_session_add_face_async(LkSession *self, const LkQuad *quad, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data)
{
    g_return_if_fail(LK_IS_SESSION(self));
    g_return_if_fail(self->original != NULL && quad != NULL);

    g_autoptr(GTask) task = task_new(self, TAG_FACE, callback, user_data);
    choose_face(self, self->quads->len, quad, cancellable, task);
}

gboolean lk_session_choose_face_finish(LkSession *self, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, self), FALSE);
    g_return_val_if_fail(g_async_result_is_tagged(result, TAG_FACE), FALSE);
    return g_task_propagate_boolean(G_TASK(result), error);
}

void lk_session_set_model_async(LkSession *self, LkModel *model, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer user_data)
{
    g_return_if_fail(LK_IS_SESSION(self));
    g_return_if_fail(model != NULL);

    g_autoptr(GTask) task = task_new(self, lk_session_set_model_async, callback, user_data);
    LkJob *job = lk_job_new(LK_JOB_MODEL, cancellable);
    job->model = lk_model_ref(model);
    submit_opening(self, job, task);
}

gboolean lk_session_set_model_finish(LkSession *self, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, self), FALSE);
    g_return_val_if_fail(g_async_result_is_tagged(result, lk_session_set_model_async), FALSE);
    return g_task_propagate_boolean(G_TASK(result), error);
}

void lk_session_set_value(LkSession *self, guint direction, float value)
{
    g_return_if_fail(LK_IS_SESSION(self));
    g_return_if_fail(direction < self->n_values && isfinite(value));

    const LkDirection *range = lk_model_direction(self->model, direction);
    if (value != self->neutral[direction])
        value = CLAMP(value, range->minimum, range->maximum);
    if (value == self->values[direction])
        return;
    self->values[direction] = value;
    values_changed(self);
}

float lk_session_get_value(LkSession *self, guint direction)
{
    g_return_val_if_fail(LK_IS_SESSION(self) && direction < self->n_values, 0);
    return self->values[direction];
}

void lk_session_reset(LkSession *self)
{
    g_return_if_fail(LK_IS_SESSION(self));

    memcpy(self->values, self->neutral, values_size(self));
    values_changed(self);
}

float lk_session_get_neutral(LkSession *self, guint direction)
{
    g_return_val_if_fail(LK_IS_SESSION(self) && direction < self->n_values, 0);
    return self->neutral[direction];
}

void lk_session_set_mode(LkSession *self, LkInversionMode mode)
{
    g_return_if_fail(LK_IS_SESSION(self));

    set_mode(self, mode);
    values_changed(self);
}

void lk_session_set_detail(LkSession *self, double detail)
{
    g_return_if_fail(LK_IS_SESSION(self));
    g_return_if_fail(isfinite(detail));

    set_detail(self, CLAMP(detail, 0.0, 1.0));
    values_changed(self);
}

double lk_session_get_detail(LkSession *self)
{
    g_return_val_if_fail(LK_IS_SESSION(self), 0);
    return self->detail;
}

/* FALSE: the task is answered. */
static gboolean can_keep(LkSession *self, GTask *task)
{
    if (self->worker == NULL || self->original == NULL)
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_CLOSED, "No photo is open.");
    else if (self->opening != NULL)
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_BUSY, "A photo is being opened.");
    else
        return TRUE;
    return FALSE;
}

static gboolean can_export(LkSession *self, const char *path, LkFileFormat *format, GTask *task)
{
    g_autofree char *name = g_filename_display_basename(path);

    if (!can_keep(self, task))
        return FALSE;
    if (lk_file_format_from_path(path, format))
        return TRUE;
    g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                            "%s cannot be written: its name ends in none of .png, .jpg, .tif and .webp.",
                            name);
    return FALSE;
}

/* Writes what is set now. */
static void submit_keeping(LkSession *self, LkJob *job, const char *path, GTask *task)
{
    job->path = g_canonicalize_filename(path, NULL);
    job->photo = g_strdup(self->photo);
    job->changes = self->changes;
    job->task = g_object_ref(task);
    submit(self, job);
}

void lk_session_export_async(LkSession *self, const char *path, const LkExportOptions *options,
                             GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
    g_return_if_fail(LK_IS_SESSION(self));
    g_return_if_fail(path != NULL);

    g_autoptr(GTask) task = task_new(self, lk_session_export_async, callback, user_data);
    LkExportOptions how = options != NULL ? *options : (LkExportOptions){0};
    if (!can_export(self, path, &how.format, task))
        return;

    LkJob *job = job_with_values(self, LK_JOB_EXPORT, cancellable);
    job->how = how;
    submit_keeping(self, job, path, task);
}

gboolean lk_session_export_finish(LkSession *self, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, self), FALSE);
    g_return_val_if_fail(g_async_result_is_tagged(result, lk_session_export_async), FALSE);
    return g_task_propagate_boolean(G_TASK(result), error);
}

void lk_session_save_async(LkSession *self, const char *path, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data)
{
    g_return_if_fail(LK_IS_SESSION(self));
    g_return_if_fail(path != NULL);

    g_autoptr(GTask) task = task_new(self, lk_session_save_async, callback, user_data);
    if (!can_keep(self, task))
        return;

    LkJob *job = lk_job_new(LK_JOB_SAVE, cancellable);
    job->states = lk_face_states_copy(self->states, self->n_values);
    lk_face_state_set(&g_array_index(job->states, LkFaceState, self->face), self->values, self->neutral,
                      self->n_values, self->mode, self->detail);
    submit_keeping(self, job, path, task);
}

gboolean lk_session_save_finish(LkSession *self, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, self), FALSE);
    g_return_val_if_fail(g_async_result_is_tagged(result, lk_session_save_async), FALSE);
    return g_task_propagate_boolean(G_TASK(result), error);
}
