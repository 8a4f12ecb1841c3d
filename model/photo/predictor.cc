/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * predictor.cc - see the header. The file is read twice: first by us, keeping nothing but checking every count before the
 * memory for it would be asked for and every index before it would be followed, then by dlib. No exception leaves it.
 */
#include "predictor.h"

#include <fstream>
#include <stdexcept>

#include <dlib/image_processing/shape_predictor.h>

#include "landmarks.h"

struct _LkPredictor {
    dlib::shape_predictor predictor;
};

namespace
{

const long N_VALUES = 2 * LK_N_LANDMARKS;
const unsigned long MOST_CASCADES = 64, MOST_TREES = 4096, MOST_SPLITS = 1023, MOST_ANCHORS = 8192;
const std::streamoff MOST_BYTES = 256l << 20;
const double SIDE = 256.0; /* of the face as the predictor sees it */

template <typename T> T read(std::istream &in)
{
    T value;

    dlib::deserialize(value, in);
    return value;
}

void expect(bool good)
{
    if (!good)
        throw std::runtime_error("not a predictor of 68 points");
}

unsigned long read_count(std::istream &in, unsigned long most)
{
    auto count = read<unsigned long>(in);

    expect(count <= most);
    return count;
}

void skip_shape(std::istream &in)
{
    /* dlib marks its own layout by negated sizes. */
    long rows = std::abs(read<long>(in)), columns = std::abs(read<long>(in));

    expect(rows == N_VALUES && columns == 1);
    for (long i = 0; i < N_VALUES; i++)
        expect(std::isfinite(read<float>(in)));
}

unsigned long check_tree(std::istream &in)
{
    unsigned long splits = read_count(in, MOST_SPLITS), highest = 0, leaves;

    for (unsigned long i = 0; i < splits; i++) {
        unsigned long one = read<unsigned long>(in), other = read<unsigned long>(in);

        highest = std::max(highest, std::max(one, other));
        read<float>(in);
    }
    leaves = read_count(in, MOST_SPLITS + 1);
    expect(leaves == splits + 1);
    for (unsigned long i = 0; i < leaves; i++)
        skip_shape(in);
    return highest;
}

/* The highest pixel that each cascade looks at. */
std::vector<unsigned long> check_forests(std::istream &in)
{
    std::vector<unsigned long> highest(read_count(in, MOST_CASCADES), 0);

    for (auto &of_cascade : highest)
        for (unsigned long trees = read_count(in, MOST_TREES); trees > 0; trees--)
            of_cascade = std::max(of_cascade, check_tree(in));
    return highest;
}

void check(std::istream &in)
{
    expect(read<int>(in) == 1);
    skip_shape(in);
    std::vector<unsigned long> highest = check_forests(in), counts;
    expect(!highest.empty());
    expect(read_count(in, MOST_CASCADES) == highest.size());
    for (auto most : highest) {
        unsigned long anchors = read_count(in, MOST_ANCHORS);

        expect(most < anchors);
        counts.push_back(anchors);
        for (unsigned long i = 0; i < anchors; i++)
            expect(read<unsigned long>(in) < (unsigned long)LK_N_LANDMARKS);
    }
    expect(read_count(in, MOST_CASCADES) == highest.size());
    for (auto anchors : counts) {
        expect(read_count(in, MOST_ANCHORS) == anchors);
        for (unsigned long i = 0; i < 2 * anchors; i++)
            expect(std::isfinite(read<float>(in)));
    }
}

void load(dlib::shape_predictor &predictor, const char *path)
{
    std::ifstream in(path, std::ios::binary | std::ios::ate);

    if (!in)
        throw std::runtime_error("it cannot be opened");
    expect(in.tellg() <= MOST_BYTES);
    in.seekg(0);
    check(in);
    in.seekg(0);
    dlib::deserialize(predictor, in);
}

} // namespace

LkPredictor *lk_predictor_open(const char *path, GError **error)
{
    try {
        auto predictor = std::make_unique<LkPredictor>();

        load(predictor->predictor, path);
        return predictor.release();
    } catch (const std::exception &failure) {
        g_autofree char *name = g_path_get_basename(path);

        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s cannot be used for landmarks: %s.", name,
                    failure.what());
        return nullptr;
    }
}

void lk_predictor_free(LkPredictor *predictor)
{
    delete predictor;
}

gboolean lk_predictor_find(const LkPredictor *predictor, const LkPhoto *photo, const LkBox *box,
                           double landmarks[LK_N_LANDMARKS][2])
{
    /* The face upright, twice as wide as the box, which is then in the middle. */
    LkQuad quad = lk_box_quad(box, 0.5, 0.5, 1.0), place = lk_crop_place(photo, &quad, (guint)SIDE);
    g_autoptr(LkPhoto) crop = lk_crop(photo, &quad, (guint)SIDE);
    const guint8 *pixel = lk_photo_pixels(crop);

    try {
        dlib::array2d<unsigned char> grey((long)SIDE, (long)SIDE);

        for (auto &value : grey) {
            value = (unsigned char)((299 * pixel[0] + 587 * pixel[1] + 114 * pixel[2] + 500) / 1000);
            pixel += 4;
        }
        auto found =
            predictor->predictor(grey, dlib::rectangle((long)SIDE / 4, (long)SIDE / 4, (long)SIDE * 3 / 4 - 1,
                                                       (long)SIDE * 3 / 4 - 1));
        for (unsigned long i = 0; i < LK_N_LANDMARKS; i++)
            for (int axis = 0; axis < 2; axis++)
                landmarks[i][axis] = place.centre[axis] +
                                     ((found.part(i).x() + 0.5) / SIDE * 2.0 - 1.0) * place.x[axis] +
                                     ((found.part(i).y() + 0.5) / SIDE * 2.0 - 1.0) * place.y[axis];
        return TRUE;
    } catch (const std::exception &) {
        return FALSE;
    }
}
