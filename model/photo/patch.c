/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * patch.c - see the header. The formula's two unknowns, m and d, are smooth and are found on a coarse grid. Written as
 *
 *     change = B - a photo,   a = m (1 - k d),   B = m (edited - inversion) + a (inversion + L)
 *
 * all that lies on the photo's own pixels is one lookup in a field of (B, a) and one multiplication.
 */
#include "patch.h"

#include "photo-private.h"

#include <math.h>
#include <string.h>

/* Most cells of the grid along a side. Radii below are parts of its side. */
#define GRID 256

/* Mean difference of a neighbourhood, white 1, from which on an edit counts as one, and where it counts in full. The noise
 * that every edit brings into hair and background lies below. */
#define CHANGE_FROM   (2.0f / 255)
#define CHANGE_FULL   (9.0f / 255)
#define CHANGE_RADIUS 0.014
#define MASK_RADIUS   0.014

/* Differences finer than the radius are structure. Up to the first figure the photo's detail still fits, from the second on
 * it would show the old face through the new one. */
#define STRUCTURE_FROM   (5.0f / 255)
#define STRUCTURE_FULL   (16.0f / 255)
#define STRUCTURE_RADIUS 0.03

/* Part of the half side over which the mask fades towards the square's border. */
#define FADE 0.2

/* What is finer than this is detail, what is coarser is colour and light. */
#define TONE_RADIUS 0.04

/* Values below are rounding left by the blur. */
#define NOTHING (1.0f / 256)

typedef float V4 __attribute__((vector_size(16)));
typedef guint8 Bytes4 __attribute__((vector_size(4)));

struct _LkPatcher {
    LkPhoto *photo, *inversion;
    LkPhoto *base; /* the inversion, shrunk where the photo has fewer pixels */
    LkQuad quad;
    guint grid;
    V4 *tone;      /* L on the grid */
    float *window; /* 1 inside, 0 on the square's border */
};

static V4 pixel_at(const guint8 *pixel)
{
    Bytes4 bytes;

    memcpy(&bytes, pixel, sizeof bytes);
    return __builtin_convertvector(bytes, V4) * (1.0f / 255.0f);
}

static float smoothstep(float from, float to, float v)
{
    v = CLAMP((v - from) / (to - from), 0.0f, 1.0f);
    return v * v * (3.0f - 2.0f * v);
}

/* ---- blur ---------------------------------------------------------------------------------------------- */

/* Means of 2 radius + 1 neighbours along x; the outermost values continue outside. */
static void box_rows(const float *from, float *to, int side, int radius)
{
    const float weight = 1.0f / (float)(2 * radius + 1);

    for (int y = 0; y < side; y++, from += side, to += side) {
        float sum = 0.0f;

        for (int x = -radius; x <= radius; x++)
            sum += from[CLAMP(x, 0, side - 1)];
        for (int x = 0; x < side; x++) {
            to[x] = sum * weight;
            sum += from[MIN(x + radius + 1, side - 1)] - from[MAX(x - radius, 0)];
        }
    }
}

static void box_columns(const float *from, float *to, int side, int radius)
{
    const float weight = 1.0f / (float)(2 * radius + 1);
    g_autofree float *sum = g_new0(float, side);

    for (int y = -radius; y <= radius; y++)
        for (int x = 0; x < side; x++)
            sum[x] += from[CLAMP(y, 0, side - 1) * side + x];
    for (int y = 0; y < side; y++) {
        const float *in = from + MIN(y + radius + 1, side - 1) * side,
                    *out = from + MAX(y - radius, 0) * side;

        for (int x = 0; x < side; x++) {
            to[y * side + x] = sum[x] * weight;
            sum[x] += in[x] - out[x];
        }
    }
}

/* Two box filters: nearly a Gaussian of 0.8 radius. */
static void blur(float *plane, guint side, double radius)
{
    int r = MAX(1, (int)lround(radius * side));
    g_autofree float *other = g_new(float, (gsize)side *side);

    for (int i = 0; i < 2; i++) {
        box_rows(plane, other, (int)side, r);
        box_columns(other, plane, (int)side, r);
    }
}

/* ---- what depends on the photo -------------------------------------------------------------------------- */

static float *new_window(guint grid)
{
    g_autofree float *fade = g_new(float, grid);
    float *window = g_new(float, (gsize)grid *grid);

    for (guint i = 0; i < grid; i++)
        fade[i] = smoothstep(0.0f, (float)(FADE * grid / 2), (float)MIN(i, grid - 1 - i));
    for (guint v = 0; v < grid; v++)
        for (guint u = 0; u < grid; u++)
            window[v * grid + u] = fade[u] * fade[v];
    return window;
}

static V4 *new_tone(const LkPatcher *patcher)
{
    const guint grid = patcher->grid, n = grid * grid;
    g_autoptr(LkPhoto) photo = lk_crop(patcher->photo, &patcher->quad, grid);
    g_autoptr(LkPhoto) inversion = lk_photo_resize(patcher->inversion, grid, grid);
    const guint8 *a = lk_photo_pixels(photo), *b = lk_photo_pixels(inversion);
    g_autofree float *plane = g_new(float, n);
    V4 *tone = g_new0(V4, n);

    for (guint c = 0; c < 3; c++) {
        for (guint i = 0; i < n; i++)
            plane[i] = (float)(a[4 * i + c] - b[4 * i + c]) / 255.0f;
        blur(plane, grid, TONE_RADIUS);
        for (guint i = 0; i < n; i++)
            tone[i][c] = plane[i];
    }
    return tone;
}

/* Photo pixels along the square's side. */
static double extent(const LkQuad *quad)
{
    return 2.0 * hypot(quad->x[0], quad->x[1]);
}

/* A picture finer than the photo must lose its detail by a filter, not by skipping pixels. */
static LkPhoto *fit(LkPhoto *picture, const LkQuad *quad)
{
    double pixels = MAX(2.0, ceil(extent(quad)));
    guint side = lk_photo_width(picture);

    return side > 1.5 * pixels ? lk_photo_resize(picture, (guint)pixels, (guint)pixels)
                               : lk_photo_ref(picture);
}

LkPatcher *lk_patcher_new(LkPhoto *photo, const LkQuad *quad, LkPhoto *inversion)
{
    LkPatcher *patcher;

    g_return_val_if_fail(lk_photo_width(inversion) == lk_photo_height(inversion), NULL);
    patcher = g_new0(LkPatcher, 1);
    patcher->photo = lk_photo_ref(photo);
    patcher->inversion = lk_photo_ref(inversion);
    patcher->quad = *quad;
    patcher->base = fit(inversion, quad);
    patcher->grid = MIN(GRID, lk_photo_width(patcher->base));
    patcher->tone = new_tone(patcher);
    patcher->window = new_window(patcher->grid);
    return patcher;
}

void lk_patcher_free(LkPatcher *patcher)
{
    if (!patcher)
        return;
    lk_photo_unref(patcher->photo);
    lk_photo_unref(patcher->inversion);
    lk_photo_unref(patcher->base);
    g_free(patcher->tone);
    g_free(patcher->window);
    g_free(patcher);
}

/* ---- mask ---------------------------------------------------------------------------------------------- */

/* On the grid: the mean of the largest channel's difference, and the mean difference of luma. */
static void compare(const LkPatcher *patcher, const LkPhoto *edited, float *amount, float *luma)
{
    const guint side = lk_photo_width(edited), grid = patcher->grid;
    const guint8 *from = lk_photo_pixels(patcher->base), *to = lk_photo_pixels(edited);
    g_autofree guint *cell = g_new(guint, side), *count = g_new0(guint, grid);

    for (guint i = 0; i < side; i++)
        count[cell[i] = (guint)((guint64)i * grid / side)]++;
    memset(amount, 0, sizeof *amount * grid * grid);
    memset(luma, 0, sizeof *luma * grid * grid);
    for (guint y = 0; y < side; y++) {
        float *amounts = amount + cell[y] * grid, *lumas = luma + cell[y] * grid;

        for (guint x = 0; x < side; x++, from += 4, to += 4) {
            int r = to[0] - from[0], g = to[1] - from[1], b = to[2] - from[2];

            amounts[cell[x]] += (float)MAX(ABS(r), MAX(ABS(g), ABS(b)));
            lumas[cell[x]] += 0.299f * r + 0.587f * g + 0.114f * b;
        }
    }
    for (guint i = 0; i < grid * grid; i++) {
        float scale = 1.0f / (255.0f * count[i / grid] * count[i % grid]);

        amount[i] *= scale;
        luma[i] *= scale;
    }
}

/* amount becomes m. */
static void make_mask(const LkPatcher *patcher, float *amount)
{
    const guint grid = patcher->grid;

    blur(amount, grid, CHANGE_RADIUS);
    for (guint i = 0; i < grid * grid; i++)
        amount[i] = smoothstep(CHANGE_FROM, CHANGE_FULL, amount[i]);
    blur(amount, grid, MASK_RADIUS);
    for (guint i = 0; i < grid * grid; i++)
        amount[i] = MAX(0.0f, (amount[i] - NOTHING) / (1.0f - NOTHING)) * patcher->window[i];
}

/* luma becomes d. */
static void find_unmoved(float *luma, guint grid)
{
    g_autofree float *smooth = g_memdup2(luma, sizeof *luma * grid * grid);

    blur(smooth, grid, STRUCTURE_RADIUS);
    for (guint i = 0; i < grid * grid; i++)
        luma[i] = fabsf(luma[i] - smooth[i]);
    blur(luma, grid, STRUCTURE_RADIUS);
    for (guint i = 0; i < grid * grid; i++)
        luma[i] = 1.0f - smoothstep(STRUCTURE_FROM, STRUCTURE_FULL, luma[i]);
}

/* (m, a) on the grid. */
static V4 *make_cover(const LkPatcher *patcher, const LkPhoto *edited, double detail)
{
    const guint grid = patcher->grid, n = grid * grid;
    g_autofree float *mask = g_new(float, n), *unmoved = g_new(float, n);
    V4 *cover = g_new(V4, n);

    compare(patcher, edited, mask, unmoved);
    make_mask(patcher, mask);
    find_unmoved(unmoved, grid);
    for (guint i = 0; i < n; i++)
        cover[i] = (V4){mask[i], mask[i] * (1.0f - (float)detail * unmoved[i])};
    return cover;
}

/* ---- field --------------------------------------------------------------------------------------------- */

typedef struct {
    guint side;
    guint left, top, right, bottom; /* where it is not zero: first and behind the last */
    V4 *values;                     /* B, a */
} Field;

/* The cells around those that are not zero. */
static gboolean find_bounds(const V4 *cover, guint grid, Field *field)
{
    field->left = field->top = grid;
    field->right = field->bottom = 0;
    for (guint i = 0; i < grid * grid; i++) {
        if (cover[i][0] <= 0.0f)
            continue;
        field->left = MIN(field->left, i % grid);
        field->right = MAX(field->right, i % grid + 1);
        field->top = MIN(field->top, i / grid);
        field->bottom = i / grid + 1;
    }
    return field->right > 0;
}

/* Bounds on a lattice that is finer by a factor, with room for what interpolation draws out. */
static void scale_bounds(Field *field, double factor, guint side)
{
    field->left = (guint)MAX(0.0, floor((field->left - 2.0) * factor));
    field->top = (guint)MAX(0.0, floor((field->top - 2.0) * factor));
    field->right = (guint)MIN(side, ceil((field->right + 2.0) * factor));
    field->bottom = (guint)MIN(side, ceil((field->bottom + 2.0) * factor));
}

/* Position i of a lattice of side to on one of side from: the cell before it, and how far behind. */
static guint locate(guint i, guint from, guint to, float *fraction)
{
    float at = CLAMP(((float)i + 0.5f) * (float)from / (float)to - 0.5f, 0.0f, (float)(from - 1));
    guint cell = MIN((guint)at, from > 1 ? from - 2 : 0);

    *fraction = at - (float)cell;
    return cell;
}

/* Row v, columns from left to right, of grid stretched to side x side. */
static void stretch_row(const V4 *grid, guint n, guint side, guint v, guint left, guint right, V4 *row)
{
    float down, across;
    guint next = n > 1, y = locate(v, n, side, &down);
    const V4 *upper = grid + y * n, *lower = grid + (y + next) * n;

    for (guint u = left; u < right; u++) {
        guint x = locate(u, n, side, &across);
        V4 a = upper[x] + (lower[x] - upper[x]) * down;
        V4 b = upper[x + next] + (lower[x + next] - upper[x + next]) * down;

        row[u] = a + (b - a) * across;
    }
}

static void fill_field(const LkPatcher *patcher, const LkPhoto *edited, const V4 *cover, Field *field)
{
    const guint side = field->side, grid = patcher->grid;
    g_autofree V4 *covers = g_new(V4, side), *tones = g_new(V4, side);

    for (guint v = field->top; v < field->bottom; v++) {
        const guint8 *from = lk_photo_pixels(patcher->base) + (gsize)v * side * 4;
        const guint8 *to = lk_photo_pixels(edited) + (gsize)v * side * 4;
        V4 *values = field->values + (gsize)v * side;

        stretch_row(cover, grid, side, v, field->left, field->right, covers);
        stretch_row(patcher->tone, grid, side, v, field->left, field->right, tones);
        for (guint u = field->left; u < field->right; u++) {
            V4 inversion = pixel_at(from + 4 * u), difference = pixel_at(to + 4 * u) - inversion;

            values[u] = difference * covers[u][0] + (inversion + tones[u]) * covers[u][1];
            values[u][3] = covers[u][1];
        }
    }
}

/* Four samples to the value a quarter behind the second: bicubic, a = -0.5. */
static V4 quarter(V4 a, V4 b, V4 c, V4 d)
{
    return b * 0.8671875f + c * 0.2265625f - a * 0.0703125f - d * 0.0234375f;
}

/* Row from, sampled twice as finely. */
static void double_row(const V4 *from, const Field *field, V4 *to)
{
    const guint last = field->side - 1;

    for (guint u = field->left; u < field->right; u++) {
        V4 a = from[u >= 2 ? u - 2 : 0], b = from[u >= 1 ? u - 1 : 0], c = from[u];
        V4 d = from[MIN(u + 1, last)], e = from[MIN(u + 2, last)];

        to[2 * u] = quarter(d, c, b, a);
        to[2 * u + 1] = quarter(b, c, d, e);
    }
}

/* The field on twice as many points: bilinear lookups between them leave no creases. */
static void double_field(Field *field)
{
    const guint side = field->side, last = side - 1, doubled = 2 * side;
    g_autofree V4 *wide = g_new0(V4, (gsize)side * doubled);
    V4 *values = g_new0(V4, (gsize)doubled * doubled);

    for (guint v = field->top; v < field->bottom; v++)
        double_row(field->values + (gsize)v * side, field, wide + (gsize)v * doubled);
    for (guint v = field->top; v < field->bottom; v++) {
        const V4 *a = wide + (gsize)(v >= 2 ? v - 2 : 0) * doubled,
                 *b = wide + (gsize)(v >= 1 ? v - 1 : 0) * doubled;
        const V4 *c = wide + (gsize)v * doubled, *d = wide + (gsize)MIN(v + 1, last) * doubled;
        const V4 *e = wide + (gsize)MIN(v + 2, last) * doubled;
        V4 *upper = values + (gsize)(2 * v) * doubled, *lower = upper + doubled;

        for (guint u = 2 * field->left; u < 2 * field->right; u++) {
            upper[u] = quarter(d[u], c[u], b[u], a[u]);
            lower[u] = quarter(b[u], c[u], d[u], e[u]);
        }
    }
    g_free(field->values);
    *field = (Field){doubled, 2 * field->left, 2 * field->top, 2 * field->right, 2 * field->bottom, values};
}

/* ---- on the photo's pixels ------------------------------------------------------------------------------ */

/* Where in the field a pixel's centre lies: affine. */
typedef struct {
    double origin[2], right[2], down[2];
} Map;

static Map map_of(const LkQuad *quad, guint side)
{
    double square = quad->x[0] * quad->x[0] + quad->x[1] * quad->x[1], scale = side / 2.0 / square;
    Map map;

    for (int axis = 0; axis < 2; axis++) {
        const double *along = axis == 0 ? quad->x : quad->y;

        map.right[axis] = along[0] * scale;
        map.down[axis] = along[1] * scale;
        map.origin[axis] = side / 2.0 - 0.5 + (0.5 - quad->centre[0]) * map.right[axis] +
                           (0.5 - quad->centre[1]) * map.down[axis];
    }
    return map;
}

/* The rectangle of the photo that holds the field's bounds. */
static void place(LkPatch *patch, const LkPatcher *patcher, const Field *field)
{
    const LkQuad *quad = &patcher->quad;
    double low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY};
    double size[] = {lk_photo_width(patcher->photo), lk_photo_height(patcher->photo)};

    for (int corner = 0; corner < 4; corner++) {
        double s = 2.0 * (corner & 1 ? field->right : field->left) / field->side - 1.0;
        double t = 2.0 * (corner & 2 ? field->bottom : field->top) / field->side - 1.0;

        for (int axis = 0; axis < 2; axis++) {
            double at = CLAMP(quad->centre[axis] + s * quad->x[axis] + t * quad->y[axis], 0.0, size[axis]);

            low[axis] = MIN(low[axis], floor(at));
            high[axis] = MAX(high[axis], ceil(at));
        }
    }
    patch->x = (guint)low[0];
    patch->y = (guint)low[1];
    patch->width = (guint)(high[0] - low[0]);
    patch->height = (guint)(high[1] - low[1]);
}

/* Steps i, 0 <= i < *end, at which from + i * step lies inside 0 .. limit: narrows first and end. */
static void clip(double from, double step, double limit, double *first, double *end)
{
    double a = (0.0 - from) / step, b = (limit - from) / step;

    if (fabs(step) < 1e-12) {
        if (from < 0.0 || from > limit)
            *end = *first;
        return;
    }
    *first = MAX(*first, ceil(MIN(a, b)));
    *end = MIN(*end, floor(MAX(a, b)) + 1.0);
}

static void fill_row(const LkPatcher *patcher, const Field *field, const Map *map, const LkPatch *patch,
                     guint row)
{
    const guint side = field->side;
    double x = map->origin[0] + patch->x * map->right[0] + (patch->y + row) * map->down[0];
    double y = map->origin[1] + patch->x * map->right[1] + (patch->y + row) * map->down[1];
    double first = 0.0, end = patch->width, limit = side - 1;
    const guint8 *pixels = lk_photo_pixels(patcher->photo) +
                           ((gsize)(patch->y + row) * lk_photo_width(patcher->photo) + patch->x) * 4;
    float *change = patch->change + (gsize)row * patch->width * 3;

    clip(x, map->right[0], limit, &first, &end);
    clip(y, map->right[1], limit, &first, &end);
    for (double i = first; i < end; i++) {
        float u = (float)CLAMP(x + i * map->right[0], 0.0, limit),
              v = (float)CLAMP(y + i * map->right[1], 0.0, limit);
        guint left = MIN((guint)u, side - 2), top = MIN((guint)v, side - 2);
        const V4 *at = field->values + (gsize)top * side + left;
        V4 upper = at[0] + (at[1] - at[0]) * (u - (float)left);
        V4 lower = at[side] + (at[side + 1] - at[side]) * (u - (float)left);
        V4 value = upper + (lower - upper) * (v - (float)top);
        guint pixel = (guint)i;

        value -= value[3] * pixel_at(pixels + 4 * pixel);
        memcpy(change + 3 * pixel, &value, 3 * sizeof *change);
    }
}

static void fill_patch(LkPatch *patch, const LkPatcher *patcher, const Field *field)
{
    Map map = map_of(&patcher->quad, field->side);

    place(patch, patcher, field);
    patch->change = g_new0(float, (gsize)patch->width * patch->height * 3);
    for (guint row = 0; row < patch->height; row++)
        fill_row(patcher, field, &map, patch, row);
}

LkPatch *lk_patcher_patch(const LkPatcher *patcher, const LkPhoto *edited, double detail)
{
    const guint side = lk_photo_width(patcher->base), full = lk_photo_width(patcher->inversion);
    g_autofree V4 *cover = NULL;
    g_autoptr(LkPhoto) shrunk = NULL;
    g_autoptr(LkPatch) patch = g_new0(LkPatch, 1);
    Field field = {0};

    g_return_val_if_fail(lk_photo_width(edited) == full && lk_photo_height(edited) == full, NULL);
    if (memcmp(lk_photo_pixels(edited), lk_photo_pixels(patcher->inversion), (gsize)full * full * 4) == 0)
        return g_steal_pointer(&patch);
    if (side != full)
        edited = shrunk = lk_photo_resize(edited, side, side);
    cover = make_cover(patcher, edited, CLAMP(detail, 0.0, 1.0));
    if (!find_bounds(cover, patcher->grid, &field))
        return g_steal_pointer(&patch);
    field.side = side;
    scale_bounds(&field, (double)side / patcher->grid, side);
    field.values = g_new0(V4, (gsize)side * side);
    fill_field(patcher, edited, cover, &field);
    if (extent(&patcher->quad) > 1.5 * side)
        double_field(&field);
    fill_patch(patch, patcher, &field);
    g_free(field.values);
    return g_steal_pointer(&patch);
}

LkPatch *lk_patch_new(LkPhoto *photo, const LkQuad *quad, LkPhoto *inversion, const LkPhoto *edited,
                      double detail)
{
    g_autoptr(LkPatcher) patcher = lk_patcher_new(photo, quad, inversion);

    return patcher ? lk_patcher_patch(patcher, edited, detail) : NULL;
}

void lk_patch_free(LkPatch *patch)
{
    if (!patch)
        return;
    g_free(patch->change);
    g_free(patch);
}

/* ---- the picture ---------------------------------------------------------------------------------------- */

static void apply(guint8 *pixels, guint width, const LkPatch *patch)
{
    const float *change = patch->change;

    for (guint y = 0; y < patch->height; y++) {
        guint8 *pixel = pixels + ((gsize)(patch->y + y) * width + patch->x) * 4;

        for (guint x = 0; x < patch->width; x++, pixel += 4, change += 3)
            for (int c = 0; c < 3; c++)
                pixel[c] = (guint8)CLAMP((float)pixel[c] + 255.0f * change[c] + 0.5f, 0.0f, 255.0f);
    }
}

LkPhoto *lk_patch_apply(LkPhoto *photo, const LkPatch *const *patches, guint n_patches)
{
    const guint width = lk_photo_width(photo), height = lk_photo_height(photo);
    guint8 *pixels = g_memdup2(lk_photo_pixels(photo), (gsize)width * height * 4);

    for (guint i = 0; i < n_patches; i++)
        apply(pixels, width, patches[i]);
    return lk_photo_new_take(width, height, pixels);
}
