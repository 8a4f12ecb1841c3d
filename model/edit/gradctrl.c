/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "kinds.h"

#include <math.h>
#include <stdlib.h>

static const double SLOPE = 0.1;

/* p(w) = sigmoid(output . lrelu(weight w + bias) + ...); without hidden units sigmoid(weight w + ...). The last bias moves
 * no gradient. */
typedef struct {
    guint hidden;
    float *weight; /* hidden x w_dim; without hidden units 1 x w_dim */
    float *bias;   /* hidden; NULL without */
    float *output; /* hidden; NULL without */
} Classifier;

struct _LkClassifiers {
    guint w_dim;
    GPtrArray *list; /* Classifier by index; NULL where no direction uses it */
};

/* ---- the model's classifiers ---- */

static void classifier_free(gpointer data)
{
    Classifier *classifier = data;

    if (classifier == NULL)
        return;
    g_free(classifier->weight);
    g_free(classifier->bias);
    g_free(classifier->output);
    g_free(classifier);
}

static float *read_tensor(const LkModel *model, guint index, const char *what, GError **error)
{
    g_autofree char *name = lk_classifier_tensor(index, what);
    guint64 shape[4];
    guint n_dims;

    return lk_model_read(model, name, shape, &n_dims, error);
}

static gboolean read_classifier(LkClassifiers *classifiers, const LkModel *model, guint index, guint hidden,
                                GError **error)
{
    Classifier *classifier;

    if (index >= classifiers->list->len)
        g_ptr_array_set_size(classifiers->list, (gint)index + 1);
    if (g_ptr_array_index(classifiers->list, index) != NULL)
        return TRUE;
    classifier = g_new0(Classifier, 1);
    g_ptr_array_index(classifiers->list, index) = classifier;
    classifier->hidden = hidden;
    classifier->weight = read_tensor(model, index, "0.weight", error);
    if (classifier->weight == NULL)
        return FALSE;
    if (hidden == 0)
        return TRUE;
    classifier->bias = read_tensor(model, index, "0.bias", error);
    if (classifier->bias == NULL)
        return FALSE;
    classifier->output = read_tensor(model, index, "2.weight", error);
    return classifier->output != NULL;
}

static gboolean read_direction(LkClassifiers *classifiers, const LkModel *model, const LkDirection *direction,
                               GError **error)
{
    if (!read_classifier(classifiers, model, direction->classifier, direction->hidden, error))
        return FALSE;
    for (guint i = 0; i < direction->n_excluded; i++)
        if (!read_classifier(classifiers, model, direction->excluded[i].classifier, direction->hidden, error))
            return FALSE;
    return TRUE;
}

LkClassifiers *lk_classifiers_new(const LkModel *model, GError **error)
{
    g_autoptr(LkClassifiers) classifiers = g_new0(LkClassifiers, 1);

    classifiers->w_dim = lk_model_config(model)->w_dim;
    classifiers->list = g_ptr_array_new_with_free_func(classifier_free);
    for (guint k = 0; k < lk_model_n_directions(model); k++) {
        const LkDirection *direction = lk_model_direction(model, k);
        if (direction->kind == LK_DIRECTION_GRADCTRL && !read_direction(classifiers, model, direction, error))
            return NULL;
    }
    return g_steal_pointer(&classifiers);
}

void lk_classifiers_free(LkClassifiers *classifiers)
{
    if (classifiers == NULL)
        return;
    g_ptr_array_unref(classifiers->list);
    g_free(classifiers);
}

/* ---- steps ---- */

typedef struct {
    double size;
    guint channel;
} Channel;

/* Largest first; of equal ones the first channel. */
static int compare_channels(const void *a, const void *b)
{
    const Channel *x = a, *y = b;

    if (x->size != y->size)
        return x->size < y->size ? 1 : -1;
    return x->channel < y->channel ? -1 : 1;
}

/* The gradient of what goes into the sigmoid. The sigmoid scales it by p (1 - p), which changes neither its direction nor
 * which channels are the largest, and would lose it to rounding where the classifier is certain. */
static void find_gradient(const LkClassifiers *classifiers, guint index, const double *w, double *gradient)
{
    const Classifier *classifier = g_ptr_array_index(classifiers->list, index);
    const guint w_dim = classifiers->w_dim;

    for (guint i = 0; i < w_dim; i++)
        gradient[i] = classifier->hidden ? 0 : classifier->weight[i];
    for (guint k = 0; k < classifier->hidden; k++) {
        const float *weight = classifier->weight + (gsize)k * w_dim;
        double sum = classifier->bias[k], scale = classifier->output[k];
        for (guint i = 0; i < w_dim; i++)
            sum += (double)weight[i] * w[i];
        scale *= sum > 0 ? 1 : SLOPE;
        for (guint i = 0; i < w_dim; i++)
            gradient[i] += scale * (double)weight[i];
    }
}

typedef struct {
    double *gradient, *other; /* w_dim each */
    Channel *channels;        /* w_dim */
} Room;

/* Zeros the channels of the gradient to which the excluded classifiers react the most. */
static void mask_gradient(const LkClassifiers *classifiers, const LkDirection *direction, const double *w,
                          const Room *room)
{
    for (guint j = 0; j < direction->n_excluded; j++) {
        find_gradient(classifiers, direction->excluded[j].classifier, w, room->other);
        for (guint i = 0; i < classifiers->w_dim; i++)
            room->channels[i] = (Channel){fabs(room->other[i]), i};
        qsort(room->channels, classifiers->w_dim, sizeof *room->channels, compare_channels);
        for (guint i = 0; i < direction->excluded[j].channels; i++)
            room->gradient[room->channels[i].channel] = 0;
    }
}

/* FALSE where there is nowhere to go. */
static gboolean step(const LkClassifiers *classifiers, const LkDirection *direction, double length, double *w,
                     const Room *room)
{
    double squares = 0;

    find_gradient(classifiers, direction->classifier, w, room->gradient);
    mask_gradient(classifiers, direction, w, room);
    for (guint i = 0; i < classifiers->w_dim; i++)
        squares += room->gradient[i] * room->gradient[i];
    if (!(squares > 0) || !isfinite(squares))
        return FALSE;
    for (guint i = 0; i < classifiers->w_dim; i++)
        w[i] += length / sqrt(squares) * room->gradient[i];
    return TRUE;
}

/* As published, the steps of an edit that strengthens the attribute go *against* the gradient, and their way is taken off the
 * code. */
void lk_classifiers_follow(const LkClassifiers *classifiers, const LkDirection *direction, double n_steps,
                           const float *w, double *change)
{
    const guint w_dim = classifiers->w_dim;
    const double sign = n_steps > 0 ? -1 : 1;
    const Room room = {g_new(double, w_dim), g_new(double, w_dim), g_new(Channel, w_dim)};
    g_autofree double *moved = g_new(double, w_dim);

    for (guint i = 0; i < w_dim; i++)
        moved[i] = w[i];
    for (double left = fabs(n_steps); left > 0; left -= 1)
        if (!step(classifiers, direction, sign * (double)direction->rate * MIN(left, 1), moved, &room))
            break;
    for (guint i = 0; i < w_dim; i++)
        change[i] = w[i] - moved[i];
    g_free(room.gradient);
    g_free(room.other);
    g_free(room.channels);
}
