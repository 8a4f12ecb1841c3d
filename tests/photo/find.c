/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * find.c - what measure-faces.py calls: for each photo a line of its name, how many faces were found, and the largest one's
 * score and five points (middles of the eyes, nose, corners of the mouth; left first as one sees them), photo pixels.
 */
#include "face.h"

static void print_mean(const LkFace *face, guint first, guint end)
{
    double x = 0, y = 0;

    for (guint i = first; i < end; i++) {
        x += face->landmarks[i][0] / (end - first);
        y += face->landmarks[i][1] / (end - first);
    }
    g_print(" %.2f %.2f", x, y);
}

static void print_face(const LkFace *face)
{
    g_print(" %.3f", face->score);
    print_mean(face, 36, 42);
    print_mean(face, 42, 48);
    print_mean(face, 30, 31);
    print_mean(face, 48, 49);
    print_mean(face, 54, 55);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    LkGpu *gpu = lk_gpu_open(NULL, 0, &error);
    LkFaceFinder *finder = gpu ? lk_face_finder_new(gpu, &error) : NULL;

    if (!finder)
        g_error("%s", error->message);
    for (int i = 1; i < argc; i++) {
        g_autoptr(GError) reason = NULL;
        g_autoptr(LkPhoto) photo = lk_photo_open(argv[i], &reason);
        g_autoptr(GArray) faces = photo ? lk_face_finder_find(finder, photo, NULL, &reason) : NULL;

        g_print("%s %u", argv[i], faces ? faces->len : 0);
        if (faces)
            print_face(&g_array_index(faces, LkFace, 0));
        g_print("\n");
    }
    lk_face_finder_free(finder);
    lk_gpu_free(gpu);
    return 0;
}
