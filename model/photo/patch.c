/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * patch.c - see the header. What the formula does not know, m, d and the motion, is smooth and is found on a coarse grid.
 * Written as
 *
 *     change = B + b photo(x - motion) - m photo(x),   b = m k d,   B = m (edited + L) - b (inversion + L)(x - motion)
 *
 * all that lies on the photo's own pixels is a lookup in a field of (B, m, b, motion) and two multiplications.
 */
#include "patch.h"

#include "bands.h"
#include "flow.h"
#include "photo-private.h"
#include "pixels.h"
#include "planes.h"

#include <math.h>
#include <string.h>

/* Most cells of the grid along a side. Radii below are parts of its side. */
#define GRID 256

/* Mean difference of a neighbourhood, white 255, from which on an edit counts as one, and where it counts in full. The noise
 * that every edit brings into hair and background lies below. */
#define CHANGE_FROM   2.0f
#define CHANGE_FULL   9.0f
#define CHANGE_RADIUS 0.014
#define MASK_RADIUS   0.014

/* Differences finer than the radius are structure. Up to the first figure the photo's detail still fits, from the second on
 * it would show the old face through the new one. */
#define STRUCTURE_FROM   4.5f
#define STRUCTURE_FULL   14.0f
#define STRUCTURE_RADIUS 0.03
#define FIT_RADIUS       0.014

/* Motions in parts of the square's side / 128: up to the first none, from the second on followed in full. */
#define STILL  0.1f
#define MOVING 0.3f

/* Part of the half side over which the mask fades towards the square's border. */
#define FADE 0.2

/* What is finer than this is detail, what is coarser is colour and light. */
#define TONE_RADIUS 0.04

/* Columns filled at a time: a turned square's field is read aslant, and what one row read is still at hand for the next. */
#define STRIP 64

/* Rows that are worth a thread. */
#define BAND 64

/* Values below are rounding left by the blur. */
#define NOTHING (1.0f / 256)

struct _LkPatcher {
    LkPhoto *photo, *inversion;
    LkPhoto *base; /* the inversion, shrunk where the photo has fewer pixels */
    LkQuad quad;
    guint grid;
    float *planes; /* the inversion's red, green and blue on the grid */
    LkVec4 *tone;  /* L on the grid */
    float *window; /* 1 inside, 0 on the square's border */
};

/* The same for side x side values. */
static inline LkVec4 sample(const LkVec4 *values, int side, float x, float y)
{
    int left, top, right, next;
    LkVec4 a, b;

    x = CLAMP(x, 0.0f, (float)(side - 1));
    y = CLAMP(y, 0.0f, (float)(side - 1));
    left = (int)x;
    top = (int)y;
    right = left + 1 < side;
    next = top + 1 < side ? side : 0;
    values += (gsize)top * side + left;
    a = values[0] + (values[right] - values[0]) * (x - (float)left);
    b = values[next] + (values[next + right] - values[next]) * (x - (float)left);
    return a + (b - a) * (y - (float)top);
}

static float smoothstep(float from, float to, float v)
{
    v = CLAMP((v - from) / (to - from), 0.0f, 1.0f);
    return v * v * (3.0f - 2.0f * v);
}

/* Cells of the grid in a part of the square's side. */
static guint cells(const LkPatcher *patcher, double part)
{
    return MAX(1, (guint)lround(part * patcher->grid));
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

static void measure_tone(LkPatcher *patcher)
{
    const guint grid = patcher->grid, n = grid * grid;
    g_autoptr(LkPhoto) photo = lk_crop(patcher->photo, &patcher->quad, grid);
    g_autoptr(LkPhoto) inversion = lk_photo_resize(patcher->inversion, grid, grid);
    const guint8 *a = lk_photo_pixels(photo), *b = lk_photo_pixels(inversion);
    g_autofree float *plane = g_new(float, n);

    patcher->tone = g_new0(LkVec4, n);
    for (guint c = 0; c < 3; c++) {
        for (guint i = 0; i < n; i++)
            plane[i] = (float)(a[4 * i + c] - b[4 * i + c]);
        lk_plane_blur(plane, grid, grid, cells(patcher, TONE_RADIUS));
        for (guint i = 0; i < n; i++)
            patcher->tone[i][c] = plane[i];
    }
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

/* A picture's pixels become means over the grid's cells. */
typedef struct {
    const guint8 *from, *to; /* the inversion; the picture */
    guint side, grid;
    guint *cell;   /* a column's or row's cell */
    guint *starts; /* grid + 1: a cell's first column or row */
    float *planes;
} Means;

static void add_rows(const Means *means, guint cell)
{
    const guint side = means->side, n = means->grid * means->grid;
    const gsize first = (gsize)means->starts[cell] * side * 4;
    const guint8 *from = means->from + first, *to = means->to + first;
    float *planes = means->planes + cell * means->grid;

    for (guint y = means->starts[cell]; y < means->starts[cell + 1]; y++) {
        for (guint x = 0; x < side; x++, from += 4, to += 4) {
            float *at = planes + means->cell[x];
            int r = ABS(to[0] - from[0]), g = ABS(to[1] - from[1]), b = ABS(to[2] - from[2]);

            at[0] += (float)to[0];
            at[n] += (float)to[1];
            at[2 * n] += (float)to[2];
            at[3 * n] += (float)MAX(r, MAX(g, b));
        }
    }
}

static void measure_cells(guint first, guint end, gpointer data)
{
    const Means *means = data;
    const guint grid = means->grid, n = grid * grid, *starts = means->starts;

    for (guint v = first; v < end; v++) {
        add_rows(means, v);
        for (guint i = 0; i < 4 * grid; i++) {
            const guint u = i % grid;

            means->planes[i / grid * n + v * grid + u] /=
                (float)((starts[v + 1] - starts[v]) * (starts[u + 1] - starts[u]));
        }
    }
}

/* A picture's red, green and blue, and below them the largest channel's difference to the inversion, as means over the grid's
 * cells. */
static float *new_planes(const LkPatcher *patcher, const LkPhoto *picture)
{
    const guint side = lk_photo_width(picture), grid = patcher->grid;
    g_autofree guint *cell = g_new(guint, side), *starts = g_new(guint, grid + 1);
    float *planes = g_new0(float, 4 * (gsize)grid * grid);
    Means means = {
        lk_photo_pixels(patcher->base), lk_photo_pixels(picture), side, grid, cell, starts, planes};

    for (guint i = side; i-- > 0;)
        starts[cell[i] = (guint)((guint64)i * grid / side)] = i;
    starts[grid] = side;
    lk_bands(grid, BAND, measure_cells, &means);
    return planes;
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
    measure_tone(patcher);
    patcher->window = new_window(patcher->grid);
    patcher->planes = new_planes(patcher, patcher->base);
    return patcher;
}

void lk_patcher_free(LkPatcher *patcher)
{
    if (!patcher)
        return;
    lk_photo_unref(patcher->photo);
    lk_photo_unref(patcher->inversion);
    lk_photo_unref(patcher->base);
    g_free(patcher->planes);
    g_free(patcher->tone);
    g_free(patcher->window);
    g_free(patcher);
}

/* ---- mask ---------------------------------------------------------------------------------------------- */

/* amount becomes m. */
static void make_mask(const LkPatcher *patcher, float *amount)
{
    const guint grid = patcher->grid;

    lk_plane_blur(amount, grid, grid, cells(patcher, CHANGE_RADIUS));
    for (guint i = 0; i < grid * grid; i++)
        amount[i] = smoothstep(CHANGE_FROM, CHANGE_FULL, amount[i]);
    lk_plane_blur(amount, grid, grid, cells(patcher, MASK_RADIUS));
    /* Half of it is where the change ends: from there on inwards it must be whole, or an old outline shows through. */
    for (guint i = 0; i < grid * grid; i++)
        amount[i] = smoothstep(NOTHING, 0.5f, amount[i]) * patcher->window[i];
}

/* Luma for lk_flow_find; white is 1. */
static float *new_luma(const LkPatcher *patcher, const float *planes)
{
    const guint n = patcher->grid * patcher->grid;
    g_autofree float *luma = g_new(float, n);
    float *small = g_new(float, LK_FLOW_SIDE *LK_FLOW_SIDE);

    for (guint i = 0; i < n; i++)
        luma[i] = (0.299f * planes[i] + 0.587f * planes[n + i] + 0.114f * planes[2 * n + i]) / 255.0f;
    lk_plane_stretch(luma, patcher->grid, small, LK_FLOW_SIDE);
    return small;
}

/* Where the edit moved everything, cells of the grid. Motions too small to see are none: there the photo's pixels stay
 * exactly where they are. */
static void find_motion(const LkPatcher *patcher, const float *planes, float *across, float *down)
{
    enum { SIDE = LK_FLOW_SIDE, N = SIDE * SIDE };
    g_autofree float *from = new_luma(patcher, patcher->planes), *to = new_luma(patcher, planes);
    g_autofree float *x = g_new(float, N), *y = g_new(float, N);

    lk_flow_find(from, to, x, y);
    for (guint i = 0; i < N; i++) {
        float amount = smoothstep(STILL, MOVING, hypotf(x[i], y[i])) * (float)patcher->grid / SIDE;

        x[i] *= amount;
        y[i] *= amount;
    }
    lk_plane_stretch(x, SIDE, across, patcher->grid);
    lk_plane_stretch(y, SIDE, down, patcher->grid);
}

/* d: how well the moved inversion explains the edited picture's structure. planes, the latter's, are used up. */
static void find_fit(const LkPatcher *patcher, float *planes, const float *across, const float *down,
                     float *d)
{
    const guint grid = patcher->grid, n = grid * grid;
    g_autofree float *smooth = g_new(float, n);

    memset(d, 0, sizeof *d * n);
    for (guint c = 0; c < 3; c++) {
        const float *from = patcher->planes + (gsize)c * n;
        float *rest = planes + (gsize)c * n;

        for (guint i = 0; i < n; i++)
            smooth[i] = rest[i] -=
                lk_plane_sample(from, grid, (float)(i % grid) - across[i], (float)(i / grid) - down[i]);
        lk_plane_blur(smooth, grid, grid, cells(patcher, STRUCTURE_RADIUS));
        for (guint i = 0; i < n; i++)
            d[i] = MAX(d[i], fabsf(rest[i] - smooth[i]));
    }
    lk_plane_blur(d, grid, grid, cells(patcher, FIT_RADIUS));
    for (guint i = 0; i < n; i++)
        d[i] = 1.0f - smoothstep(STRUCTURE_FROM, STRUCTURE_FULL, d[i]);
}

/* (m, b, motion) on the grid. */
static LkVec4 *make_cover(const LkPatcher *patcher, const LkPhoto *edited, double detail)
{
    const guint n = patcher->grid * patcher->grid;
    g_autofree float *planes = new_planes(patcher, edited), *d = g_new(float, n);
    g_autofree float *across = g_new(float, n), *down = g_new(float, n);
    float *mask = planes + 3 * (gsize)n;
    LkVec4 *cover = g_new(LkVec4, n);

    make_mask(patcher, mask);
    find_motion(patcher, planes, across, down);
    find_fit(patcher, planes, across, down, d);
    for (guint i = 0; i < n; i++)
        cover[i] = (LkVec4){mask[i], mask[i] * (float)detail * d[i], across[i], down[i]};
    return cover;
}

/* ---- field --------------------------------------------------------------------------------------------- */

typedef struct {
    LkVec4 colour; /* B */
    LkVec4 cover;  /* m, b, motion in photo pixels */
} Cell;

typedef struct {
    guint side;
    guint left, top, right, bottom; /* where it is not zero: first and behind the last */
    Cell *cells;
} Field;

/* The cells around those that are not zero. */
static gboolean find_bounds(const LkVec4 *cover, guint grid, Field *field)
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

/* What a field's rows are made of. */
typedef struct {
    const LkPatcher *patcher;
    const LkVec4 *cover; /* on the grid */
    const guint8 *edited;
    Field *field;
} Fields;

static void fill_cells(const Fields *fields, guint v)
{
    const LkPatcher *patcher = fields->patcher;
    const guint side = fields->field->side, grid = patcher->grid;
    const float scale = (float)grid / (float)side, unit = 2.0f / (float)grid;
    const double *right = patcher->quad.x, *below = patcher->quad.y;
    const LkPixels base = lk_pixels_of(patcher->base);

    for (guint u = fields->field->left; u < fields->field->right; u++) {
        float x = ((float)u + 0.5f) * scale - 0.5f, y = ((float)v + 0.5f) * scale - 0.5f;
        LkVec4 at = sample(fields->cover, grid, x, y);
        float m = at[0], b = at[1], across = at[2], down = at[3];
        LkVec4 tone = sample(patcher->tone, grid, x - across, y - down);
        LkVec4 inversion = lk_pixels_sample(&base, (float)u - across / scale, (float)v - down / scale);
        LkVec4 to = lk_pixel_at(fields->edited + ((gsize)v * side + u) * 4);

        fields->field->cells[(gsize)v * side + u] = (Cell){
            .colour = to * m + tone * (m - b) - inversion * b,
            .cover = {m, b, (across * (float)right[0] + down * (float)below[0]) * unit,
                      (across * (float)right[1] + down * (float)below[1]) * unit},
        };
    }
}

static void fill_field_rows(guint first, guint end, gpointer data)
{
    const Fields *fields = data;

    for (guint v = first; v < end; v++)
        fill_cells(fields, fields->field->top + v);
}

static void fill_field(const LkPatcher *patcher, const LkPhoto *edited, const LkVec4 *cover, Field *field)
{
    Fields fields = {patcher, cover, lk_photo_pixels(edited), field};

    lk_bands(field->bottom - field->top, BAND, fill_field_rows, &fields);
}

/* Four samples to the value a quarter behind the second: bicubic, a = -0.5. */
static LkVec4 quarter(LkVec4 a, LkVec4 b, LkVec4 c, LkVec4 d)
{
    return b * 0.8671875f + c * 0.2265625f - a * 0.0703125f - d * 0.0234375f;
}

static Cell quarter_cell(const Cell *a, const Cell *b, const Cell *c, const Cell *d)
{
    return (Cell){quarter(a->colour, b->colour, c->colour, d->colour),
                  quarter(a->cover, b->cover, c->cover, d->cover)};
}

/* The i-th of n cells that lie step apart, in the middle of its neighbours. */
typedef struct {
    const Cell *a, *b, *c, *d, *e;
} Around;

static Around around(const Cell *from, gsize step, guint n, guint i)
{
    return (Around){from + (i >= 2 ? i - 2 : 0) * step, from + (i >= 1 ? i - 1 : 0) * step, from + i * step,
                    from + MIN(i + 1, n - 1) * step, from + MIN(i + 2, n - 1) * step};
}

/* A field on its way to twice as many points: first along its rows, then along its columns. */
typedef struct {
    const Field *field;
    Cell *wide, *fine;
} Doubling;

static void double_rows(guint first, guint end, gpointer data)
{
    const Doubling *doubling = data;
    const Field *field = doubling->field;

    for (guint v = field->top + first; v < field->top + end; v++) {
        const Cell *from = field->cells + (gsize)v * field->side;
        Cell *to = doubling->wide + (gsize)v * 2 * field->side;

        for (guint i = field->left; i < field->right; i++) {
            const Around at = around(from, 1, field->side, i);

            to[2 * i] = quarter_cell(at.d, at.c, at.b, at.a);
            to[2 * i + 1] = quarter_cell(at.b, at.c, at.d, at.e);
        }
    }
}

static void double_columns(guint first, guint end, gpointer data)
{
    const Doubling *doubling = data;
    const Field *field = doubling->field;
    const gsize doubled = 2 * (gsize)field->side;

    for (guint i = field->top + first; i < field->top + end; i++) {
        const Around at = around(doubling->wide, doubled, field->side, i);
        Cell *upper = doubling->fine + 2 * i * doubled, *lower = upper + doubled;

        for (guint u = 2 * field->left; u < 2 * field->right; u++) {
            upper[u] = quarter_cell(at.d + u, at.c + u, at.b + u, at.a + u);
            lower[u] = quarter_cell(at.b + u, at.c + u, at.d + u, at.e + u);
        }
    }
}

/* The field on twice as many points: bilinear lookups between them leave no creases. */
static void double_field(Field *field)
{
    const guint side = field->side, doubled = 2 * side;
    g_autofree Cell *wide = g_new0(Cell, (gsize)side * doubled);
    Cell *fine = g_new0(Cell, (gsize)doubled * doubled);
    Doubling doubling = {field, wide, fine};

    lk_bands(field->bottom - field->top, BAND, double_rows, &doubling);
    lk_bands(field->bottom - field->top, BAND, double_columns, &doubling);
    g_free(field->cells);
    *field = (Field){doubled, 2 * field->left, 2 * field->top, 2 * field->right, 2 * field->bottom, fine};
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

/* What is interpolated between the four cells around a place. */
typedef struct {
    const Cell *upper, *lower;
    float across, down;
} Place;

static inline Place place_at(const Field *field, float u, float v)
{
    const int last = (int)field->side - 2;
    int left = MIN((int)u, last), top = MIN((int)v, last);
    const Cell *upper = field->cells + (gsize)top * field->side + left;

    return (Place){upper, upper + field->side, u - (float)left, v - (float)top};
}

static inline LkVec4 cover_at(const Place *at)
{
    LkVec4 a = at->upper[0].cover + (at->upper[1].cover - at->upper[0].cover) * at->across;
    LkVec4 b = at->lower[0].cover + (at->lower[1].cover - at->lower[0].cover) * at->across;

    return a + (b - a) * at->down;
}

static inline LkVec4 colour_at(const Place *at)
{
    LkVec4 a = at->upper[0].colour + (at->upper[1].colour - at->upper[0].colour) * at->across;
    LkVec4 b = at->lower[0].colour + (at->lower[1].colour - at->lower[0].colour) * at->across;

    return a + (b - a) * at->down;
}

/* Columns from left to right of a row. */
static void fill_row(const LkPixels *photo, const Field *field, const Map *map, const LkPatch *patch,
                     guint row, guint left, guint right)
{
    double x = map->origin[0] + patch->x * map->right[0] + (patch->y + row) * map->down[0];
    double y = map->origin[1] + patch->x * map->right[1] + (patch->y + row) * map->down[1];
    double first = left, end = right, limit = field->side - 1;
    const float u0 = (float)x, v0 = (float)y, du = (float)map->right[0], dv = (float)map->right[1];
    const float most = (float)limit, from_x = (float)patch->x, from_y = (float)(patch->y + row);
    const guint8 *pixels = photo->pixels + ((gsize)(patch->y + row) * photo->width + patch->x) * 4;
    float *change = patch->change + (gsize)row * patch->width * 3;

    clip(x, map->right[0], limit, &first, &end);
    clip(y, map->right[1], limit, &first, &end);
    for (int i = (int)first; i < (int)end; i++) {
        float u = u0 + (float)i * du, v = v0 + (float)i * dv;
        Place at = place_at(field, CLAMP(u, 0.0f, most), CLAMP(v, 0.0f, most));
        LkVec4 cover = cover_at(&at), here, there;

        if (cover[0] == 0.0f)
            continue;
        here = there = lk_pixel_at(pixels + 4 * i);
        if (cover[2] != 0.0f || cover[3] != 0.0f)
            there = lk_pixels_sample(photo, from_x + (float)i - cover[2], from_y - cover[3]);
        here = (colour_at(&at) + there * cover[1] - here * cover[0]) * (1.0f / 255.0f);
        memcpy(change + 3 * i, &here, 3 * sizeof *change);
    }
}

typedef struct {
    LkPixels photo;
    const Field *field;
    Map map;
    const LkPatch *patch;
} Filling;

static void fill_band(guint first, guint end, gpointer data)
{
    const Filling *filling = data;
    const guint width = filling->patch->width;

    for (guint left = 0; left < width; left += STRIP)
        for (guint row = first; row < end; row++)
            fill_row(&filling->photo, filling->field, &filling->map, filling->patch, row, left,
                     MIN(left + STRIP, width));
}

static void fill_patch(LkPatch *patch, const LkPatcher *patcher, const Field *field)
{
    Filling filling = {lk_pixels_of(patcher->photo), field, map_of(&patcher->quad, field->side), patch};

    place(patch, patcher, field);
    patch->change = g_new0(float, (gsize)patch->width * patch->height * 3);
    lk_bands(patch->height, BAND, fill_band, &filling);
}

LkPatch *lk_patcher_patch(const LkPatcher *patcher, const LkPhoto *edited, double detail)
{
    const guint side = lk_photo_width(patcher->base), full = lk_photo_width(patcher->inversion);
    g_autofree LkVec4 *cover = NULL;
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
    field.cells = g_new0(Cell, (gsize)side * side);
    fill_field(patcher, edited, cover, &field);
    if (extent(&patcher->quad) > 1.5 * side)
        double_field(&field);
    fill_patch(patch, patcher, &field);
    g_free(field.cells);
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

/* Rounded as lk_original_save does, so that an 8-bit sRGB file has just the pixels that the screen shows. */
static guint8 changed(guint8 value, float change)
{
    return (guint8)lrintf(CLAMP((float)value / 255.0f + change, 0.0f, 1.0f) * 255.0f);
}

typedef struct {
    guint8 *pixels;
    guint width;
    const LkPatch *patch;
} Applying;

static void apply_band(guint first, guint end, gpointer data)
{
    const Applying *applying = data;
    const LkPatch *patch = applying->patch;
    const float *change = patch->change + (gsize)first * patch->width * 3;

    for (guint y = first; y < end; y++) {
        guint8 *pixel = applying->pixels + ((gsize)(patch->y + y) * applying->width + patch->x) * 4;

        for (guint x = 0; x < patch->width; x++, pixel += 4, change += 3)
            for (int c = 0; c < 3; c++)
                if (change[c] != 0.0f)
                    pixel[c] = changed(pixel[c], change[c]);
    }
}

LkPhoto *lk_patch_apply(LkPhoto *photo, const LkPatch *const *patches, guint n_patches)
{
    const guint width = lk_photo_width(photo), height = lk_photo_height(photo);
    guint8 *pixels = g_memdup2(lk_photo_pixels(photo), (gsize)width * height * 4);

    for (guint i = 0; i < n_patches; i++)
        lk_bands(patches[i]->height, BAND, apply_band, &(Applying){pixels, width, patches[i]});
    return lk_photo_new_take(width, height, pixels);
}
